//! Handles of the network ([handle resolution](https://atproto.com/specs/handle#handle-resolution)): a DNS record and a file on a web
//! server, asked for at once.

use std::sync::Arc;
use std::time::Duration;

use atproto_data::{Did, Handle};
use moka::future::Cache;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::outbound::{Dns, FetchLimits, GuardedClient};

/// Handles kept in memory, known and unknown.
const KEPT_HANDLES: u64 = 20_000;
/// How long the DID of a handle is kept, and how long that there is none.
const KNOWN_TTL: Duration = Duration::from_mins(10);
const UNKNOWN_TTL: Duration = Duration::from_mins(1);
/// How long everything may take together, backup name servers included.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of the file on the web server.
const MAX_FILE_BYTES: usize = 4_096;

/// Resolves handles of other servers. Each is asked for once at a time, however many want it. Cheap to clone.
#[derive(Clone)]
pub struct HandleResolver(Arc<Inner>);

struct Inner {
    dns: Arc<dyn Dns>,
    client: GuardedClient,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// `https`, but in tests.
    scheme: &'static str,
    kept: Cache<Handle, Kept>,
}

#[derive(Clone)]
struct Kept {
    did: Option<Did>,
    /// µs since 1970.
    until: i64,
}

impl HandleResolver {
    /// A resolver that waits so long for each of the two ways (`PDS_ID_RESOLVER_TIMEOUT`).
    pub fn new(dns: Arc<dyn Dns>, client: GuardedClient, clock: Arc<dyn Clock>, timeout: Duration) -> HandleResolver {
        Self::with_scheme("https", dns, client, clock, timeout)
    }

    fn with_scheme(
        scheme: &'static str,
        dns: Arc<dyn Dns>,
        client: GuardedClient,
        clock: Arc<dyn Clock>,
        timeout: Duration,
    ) -> HandleResolver {
        HandleResolver(Arc::new(Inner {
            dns,
            client,
            clock,
            timeout,
            scheme,
            kept: Cache::new(KEPT_HANDLES),
        }))
    }

    /// The DID that a handle points to, as it was in the last ten minutes. Whether the DID points back is not looked at.
    pub async fn resolve(&self, handle: &Handle) -> Option<Did> {
        let now = self.0.clock.now_micros();
        let kept = self.0.kept.entry_by_ref(handle);
        let kept = kept.or_insert_with_if(self.ask(handle), |kept| kept.until < now).await;
        kept.into_value().did
    }

    /// The DID that a handle points to now.
    pub async fn refresh(&self, handle: &Handle) -> Option<Did> {
        self.0.kept.invalidate(handle).await;
        self.resolve(handle).await
    }

    async fn ask(&self, handle: &Handle) -> Kept {
        let did = timeout(DEADLINE, self.look_up(handle)).await.ok().flatten();
        let ttl = if did.is_some() { KNOWN_TTL } else { UNKNOWN_TTL };
        let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        Kept {
            did,
            until: self.0.clock.now_micros().saturating_add(ttl),
        }
    }

    /// The DNS record counts more than the file; backup name servers are asked where neither says anything.
    async fn look_up(&self, handle: &Handle) -> Option<Did> {
        let name = format!("_atproto.{handle}");
        let record = async { timeout(self.0.timeout, self.0.dns.texts(&name)).await.ok()?.ok() };
        let record = async { record.await.and_then(|texts| did_in_texts(&texts)) };
        let file = self.file(handle);
        tokio::pin!(record, file);
        let found = tokio::select! {
            biased;
            found = &mut record => match found {
                Some(did) => Some(did),
                None => file.await,
            },
            found = &mut file => record.await.or(found),
        };
        match found {
            Some(did) => Some(did),
            None => did_in_texts(&self.0.dns.backup_texts(&name).await.ok()?),
        }
    }

    async fn file(&self, handle: &Handle) -> Option<Did> {
        let address = format!("{}://{handle}/.well-known/atproto-did", self.0.scheme);
        let limits = FetchLimits {
            max_bytes: MAX_FILE_BYTES,
            deadline: self.0.timeout,
        };
        let answer = self.0.client.get(&address, "text/plain", limits).await.ok()?;
        (answer.status.as_u16() == 200)
            .then(|| did_in_file(&answer.body))
            .flatten()
    }
}

/// The DID of TXT records, if exactly one of them is `did=…`.
fn did_in_texts(texts: &[String]) -> Option<Did> {
    let mut dids = texts.iter().filter_map(|text| text.strip_prefix("did="));
    match (dids.next(), dids.next()) {
        (Some(did), None) => did.parse().ok(),
        _ => None,
    }
}

/// The DID in a well-known file: its first line, blanks around it aside.
fn did_in_file(body: &[u8]) -> Option<Did> {
    let text = std::str::from_utf8(body).ok()?;
    text.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
