//! The DNS over the network, by the system's name servers and by backup ones.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

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
/// The most backup name servers.
const MAX_BACKUPS: usize = 8;

/// The DNS over the network.
pub struct SystemDns {
    resolver: TokioResolver,
    backup: Option<TokioResolver>,
}

impl SystemDns {
    /// The system's name servers (`/etc/resolv.conf`), and those at `backup` (IP addresses, each perhaps with a port).
    ///
    /// # Errors
    /// If a backup is not an address.
    pub fn new(backup: &[String]) -> Result<SystemDns, DnsError> {
        let resolver = build(system_builder())?;
        let servers: Vec<NameServerConfig> = backup
            .iter()
            .take(MAX_BACKUPS)
            .map(|server| name_server(server))
            .collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Ok(SystemDns { resolver, backup: None });
        }
        let config = ResolverConfig::from_name_servers(servers);
        let backup = build(TokioResolver::builder_with_config(
            config,
            TokioRuntimeProvider::default(),
        ))?;
        Ok(SystemDns {
            resolver,
            backup: Some(backup),
        })
    }
}

/// The system's name servers. Where it has none, the server works all the same, but finds no foreign handle or host.
fn system_builder() -> Builder {
    TokioResolver::builder_tokio().unwrap_or_else(|error| {
        tracing::warn!(%error, "no name servers in /etc/resolv.conf: foreign handles and hosts will not be found");
        let none = ResolverConfig::from_name_servers(Vec::new());
        TokioResolver::builder_with_config(none, TokioRuntimeProvider::default())
    })
}

type Builder = hickory_resolver::ResolverBuilder<TokioRuntimeProvider>;

fn build(mut builder: Builder) -> Result<TokioResolver, DnsError> {
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHED_ANSWERS;
    options.positive_max_ttl = Some(KEPT_FOR);
    options.negative_max_ttl = Some(KEPT_FOR);
    builder.build().map_err(|error| failure(&error))
}

fn name_server(text: &str) -> Result<NameServerConfig, DnsError> {
    let refuse = || DnsError(format!("PDS_HANDLE_BACKUP_NAMESERVERS: {text:?} is not an IP address"));
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(NameServerConfig::udp_and_tcp(ip));
    }
    let address: SocketAddr = text.parse().map_err(|_| refuse())?;
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    Ok(server)
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
            match &self.backup {
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
fn absolute(name: &str) -> String {
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
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn backup_name_servers_are_addresses() {
        assert_eq!(name_server("9.9.9.9").unwrap().connections[0].port, 53);
        assert_eq!(name_server("[::1]:5353").unwrap().connections[1].port, 5353);
        assert!(name_server("dns.example.com").is_err());
    }

    #[test]
    fn names_are_absolute() {
        assert_eq!(absolute("a.example"), "a.example.");
        assert_eq!(absolute("a.example."), "a.example.");
    }
}
