//! DID documents of the network ([DID resolution](https://atproto.com/specs/did)): did:plc from the directory, did:web from its host,
//! both kept for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atproto_data::Did;
use atproto_plc::DidDocument;
use atproto_plc::document::MAX_DOCUMENT_BYTES;
use futures_util::future::BoxFuture;
use moka::future::Cache;
use serde_json::Value;
use tokio::time::timeout;

use super::did_address;
use super::did_resolver::{DidResolver, ResolveError, Resolved, ResolvedDid};
use super::plc_directory::PlcDirectory;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::outbound::{FetchError, FetchLimits, GuardedClient};

/// Bytes of documents kept in memory, as JSON text.
const CACHE_BYTES: u64 = 16 << 20;
/// What a document takes beside its text, in bytes.
const ENTRY_BYTES: usize = 512;
/// How long it is remembered that a DID has no document.
const UNKNOWN_TTL: Duration = Duration::from_mins(1);
/// How long after a refresh in the background has begun the next one may.
const REFRESH_EVERY: Duration = Duration::from_mins(1);
/// How long after a forced refresh of a document the next one may be. Strangers can force one: with a token that is not signed well.
const FORCED_EVERY: Duration = Duration::from_secs(30);
/// So many refreshes may be forced in a minute, of all documents together: directories limit us too.
const FORCED_IN_A_MINUTE: u32 = 120;
/// So many DIDs whose refresh was forced are told apart.
const MAX_FORCED: usize = 10_000;
/// The media types asked for ([DID Core §6.2](https://www.w3.org/TR/did-core/#json)).
const ACCEPT: &str = "application/did+ld+json, application/did+json, application/json";

/// How long documents are kept and waited for.
#[derive(Clone, Copy, Debug)]
pub struct DidDocumentsSettings {
    /// Age after which a document is refreshed while the old one is still given out (`PDS_DID_CACHE_STALE_TTL`).
    pub stale_ttl: Duration,
    /// Age after which a document is not given out any more (`PDS_DID_CACHE_MAX_TTL`).
    pub max_ttl: Duration,
    /// How long resolution may take (`PDS_ID_RESOLVER_TIMEOUT`).
    pub timeout: Duration,
}

/// The documents of DIDs. Each is asked for once at a time, however many want it. Cheap to clone.
#[derive(Clone)]
pub struct DidDocuments(Arc<Inner>);

struct Inner {
    plc: Arc<dyn PlcDirectory>,
    client: GuardedClient,
    clock: Arc<dyn Clock>,
    settings: DidDocumentsSettings,
    kept: Cache<Did, Arc<Kept>>,
    refreshing: Cache<Did, Resolved>,
    forced: Counters,
    all_forced: Counters,
}

struct Kept {
    outcome: Resolved,
    /// µs since 1970.
    since: i64,
    /// When a refresh in the background may begin, µs since 1970.
    refresh_from: AtomicI64,
}

impl DidDocuments {
    /// Documents from `plc` for did:plc and, through `client`, from hosts for did:web.
    pub fn new(
        plc: Arc<dyn PlcDirectory>,
        client: GuardedClient,
        clock: Arc<dyn Clock>,
        settings: DidDocumentsSettings,
    ) -> DidDocuments {
        let kept = Cache::builder()
            .max_capacity(CACHE_BYTES)
            .weigher(|did: &Did, kept: &Arc<Kept>| {
                let resolved = kept.outcome.as_ref().ok().and_then(Option::as_ref);
                let text = resolved.map_or(0, |resolved| resolved.json.to_string().len());
                u32::try_from(ENTRY_BYTES + did.as_str().len() + 2 * text).unwrap_or(u32::MAX)
            })
            .build();
        DidDocuments(Arc::new(Inner {
            plc,
            client,
            clock,
            settings,
            kept,
            refreshing: Cache::new(CACHE_BYTES / MAX_DOCUMENT_BYTES as u64),
            forced: Counters::new(MAX_FORCED),
            all_forced: Counters::new(1),
        }))
    }

    /// The document of a DID, as old as the settings allow.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn resolve(&self, did: &Did) -> Resolved {
        let now = self.0.clock.now_micros();
        let kept = self.0.kept.entry_by_ref(did);
        let kept = kept
            .or_insert_with_if(self.ask(did), |kept| self.is_over(kept, now))
            .await
            .into_value();
        if kept.is_stale(now) {
            let (resolver, did) = (self.clone(), did.clone());
            tokio::spawn(async move { resolver.refresh(&did).await });
        }
        kept.outcome.clone()
    }

    /// The document of a DID as it is now. Where it cannot be had, an older one is kept for [`Self::resolve`].
    ///
    /// # Errors
    /// Why there is none.
    pub async fn refresh(&self, did: &Did) -> Resolved {
        let outcome = self.0.refreshing.get_with_by_ref(did, self.ask_anew(did)).await;
        self.0.refreshing.invalidate(did).await;
        outcome
    }

    /// As [`Self::refresh`], for callers who name any DID they like: asks at most twice a minute for each DID and seldom for all together,
    /// and gives out what is kept in between.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn refresh_at_times(&self, did: &Did) -> Resolved {
        let flight = async {
            if self.may_be_forced(did) {
                self.ask_anew(did).await
            } else {
                self.resolve(did).await
            }
        };
        let outcome = self.0.refreshing.get_with_by_ref(did, flight).await;
        self.0.refreshing.invalidate(did).await;
        outcome
    }

    /// Counts a forced refresh, if it is not one too many.
    fn may_be_forced(&self, did: &Did) -> bool {
        let now = self.0.clock.now_micros();
        let of_this_one = self.0.forced.add(did, 1, FORCED_EVERY, now);
        of_this_one.used == 1 && self.0.all_forced.add((), 1, Duration::from_mins(1), now).used <= FORCED_IN_A_MINUTE
    }

    async fn ask_anew(&self, did: &Did) -> Resolved {
        let kept = self.ask(did).await;
        let outcome = kept.outcome.clone();
        if outcome.is_ok() {
            self.0.kept.insert(did.clone(), kept).await;
        }
        outcome
    }

    /// Drops a document from memory, because it changed.
    pub async fn forget(&self, did: &Did) {
        self.0.kept.invalidate(did).await;
    }

    async fn ask(&self, did: &Did) -> Arc<Kept> {
        let limit = self.0.settings.timeout;
        let outcome = timeout(limit, self.fetch(did)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(ResolveError::Failed("no answer in time".to_owned())));
        let now = self.0.clock.now_micros();
        Arc::new(Kept {
            outcome,
            since: now,
            refresh_from: AtomicI64::new(now.saturating_add(micros(self.0.settings.stale_ttl))),
        })
    }

    async fn fetch(&self, did: &Did) -> Resolved {
        let json = match did.method() {
            "plc" if did_address::is_plc(did) => self.fetch_plc(did).await?,
            // No directory has such a DID.
            "plc" => None,
            "web" => self.fetch_web(did).await?,
            _ => return Err(ResolveError::Unsupported(did.to_string())),
        };
        let Some(json) = json else { return Ok(None) };
        let document = DidDocument::from_value(did, &json).map_err(|error| ResolveError::Failed(error.to_string()))?;
        Ok(Some(Arc::new(ResolvedDid { json, document })))
    }

    async fn fetch_plc(&self, did: &Did) -> Result<Option<Value>, ResolveError> {
        let document = self.0.plc.document(did).await;
        document.map_err(|error| ResolveError::Failed(error.to_string()))
    }

    async fn fetch_web(&self, did: &Did) -> Result<Option<Value>, ResolveError> {
        let address = did_address::of_web(did, self.0.client.reach());
        let address = address.ok_or_else(|| ResolveError::Unsupported(did.to_string()))?;
        let limits = FetchLimits {
            max_bytes: MAX_DOCUMENT_BYTES,
            deadline: self.0.settings.timeout,
        };
        let answer = self.0.client.get(&address, ACCEPT, limits).await;
        let answer = answer.map_err(|error| match error {
            FetchError::Refused(_) => ResolveError::Unsupported(did.to_string()),
            error => ResolveError::Failed(error.to_string()),
        })?;
        match answer.status.as_u16() {
            200 => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|_| ResolveError::Failed("it is not JSON".to_owned())),
            404 | 410 => Ok(None),
            status => Err(ResolveError::Failed(format!("its host answers with status {status}"))),
        }
    }

    /// Whether something kept is not to be given out any more.
    fn is_over(&self, kept: &Kept, now: i64) -> bool {
        let ttl = match kept.outcome {
            Ok(Some(_)) => self.0.settings.max_ttl,
            Ok(None) => UNKNOWN_TTL,
            Err(_) => return true,
        };
        now > kept.since.saturating_add(micros(ttl))
    }
}

impl Kept {
    /// Whether this call is the one to refresh a document that is getting old.
    fn is_stale(&self, now: i64) -> bool {
        let from = self.refresh_from.load(Ordering::Relaxed);
        let next = now.saturating_add(micros(REFRESH_EVERY));
        let may_begin = matches!(self.outcome, Ok(Some(_))) && now > from;
        may_begin
            && self
                .refresh_from
                .compare_exchange(from, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl DidResolver for DidDocuments {
    fn resolve<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Resolved> {
        Box::pin(self.resolve(did))
    }

    fn resolve_anew<'a>(&'a self, did: &'a Did) -> BoxFuture<'a, Resolved> {
        Box::pin(self.refresh_at_times(did))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
