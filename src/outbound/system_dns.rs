//! The DNS over the network, by the system's name servers and by backup ones.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use super::backup_dns::BackupDns;
use super::dns::{Dns, DnsError};

/// How long a name server may take, and how often it is asked again.
const TIMEOUT: Duration = Duration::from_millis(1_500);
const ATTEMPTS: usize = 2;
/// Answers kept, and how long at most, whatever they say themselves.
const CACHED_ANSWERS: u64 = 512;
const KEPT_FOR: Duration = Duration::from_mins(10);
/// The most TXT records of a name that are looked at, and the most bytes of one.
const MAX_TEXTS: usize = 64;
const MAX_TEXT_BYTES: usize = 2_048;

/// The DNS over the network.
pub struct SystemDns {
    resolver: TokioResolver,
    backup: BackupDns,
}

impl SystemDns {
    /// The system's name servers (`/etc/resolv.conf`), and the `backup` ones: IP addresses, each perhaps with a port, or names.
    ///
    /// # Errors
    /// If a backup is neither.
    pub fn new(backup: &[String]) -> Result<SystemDns, DnsError> {
        Ok(SystemDns {
            resolver: build(system_builder())?,
            backup: BackupDns::new(backup)?,
        })
    }
}

/// The system's name servers. Where it has none, the server works all the same, but finds no foreign handle or host.
pub(super) fn system_builder() -> Builder {
    TokioResolver::builder_tokio().unwrap_or_else(|error| {
        tracing::warn!(%error, "no name servers in /etc/resolv.conf: foreign handles and hosts will not be found");
        let none = ResolverConfig::from_name_servers(Vec::new());
        TokioResolver::builder_with_config(none, TokioRuntimeProvider::default())
    })
}

pub(super) type Builder = hickory_resolver::ResolverBuilder<TokioRuntimeProvider>;

pub(super) fn build(mut builder: Builder) -> Result<TokioResolver, DnsError> {
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHED_ANSWERS;
    options.positive_max_ttl = Some(KEPT_FOR);
    options.negative_max_ttl = Some(KEPT_FOR);
    builder.build().map_err(|error| failure(&error))
}

impl Dns for SystemDns {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<SocketAddr>, DnsError>> {
        Box::pin(async move {
            match self.resolver.lookup_ip(absolute(host)).await {
                Ok(found) => Ok(found.iter().map(|ip| SocketAddr::new(ip, 0)).collect()),
                Err(error) if error.is_no_records_found() => Ok(Vec::new()),
                Err(error) => Err(failure(&error)),
            }
        })
    }

    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(texts(&self.resolver, name))
    }

    fn backup_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move {
            match self.backup.resolver(&self.resolver).await? {
                Some(resolver) => texts(resolver, name).await,
                None => Ok(Vec::new()),
            }
        })
    }
}

async fn texts(resolver: &TokioResolver, name: &str) -> Result<Vec<String>, DnsError> {
    let name = absolute(name);
    // Who asks for texts keeps the answers himself, and a forced refresh must get new ones.
    resolver.clear_lookup_cache(name.as_str(), hickory_resolver::proto::rr::RecordType::TXT);
    match resolver.txt_lookup(name).await {
        Ok(found) => Ok(found
            .answers()
            .iter()
            .filter_map(|record| text(&record.data))
            .take(MAX_TEXTS)
            .collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(failure(&error)),
    }
}

/// The strings of a TXT record, joined (RFC 1035 §3.3.14).
fn text(data: &RData) -> Option<String> {
    let RData::TXT(text) = data else { return None };
    let bytes = text.txt_data.concat();
    (bytes.len() <= MAX_TEXT_BYTES).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// A name that no search list of the system applies to.
pub(super) fn absolute(name: &str) -> String {
    if name.ends_with('.') {
        name.to_owned()
    } else {
        format!("{name}.")
    }
}

fn failure(error: &NetError) -> DnsError {
    DnsError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_absolute() {
        assert_eq!(absolute("a.example"), "a.example.");
        assert_eq!(absolute("a.example."), "a.example.");
    }
}
