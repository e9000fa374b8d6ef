//! The name servers that are asked when the system's know nothing.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::OnceCell;

use super::dns::DnsError;
use super::system_dns::{absolute, build};

/// Where name servers listen.
const PORT: u16 = 53;
/// The most name servers.
const MAX_SERVERS: usize = 8;

/// The name servers of `PDS_HANDLE_BACKUP_NAMESERVERS`, perhaps none.
pub(super) struct BackupDns {
    servers: Vec<NameServer>,
    resolver: OnceCell<TokioResolver>,
}

/// A name server, as an operator writes it.
#[derive(Debug, PartialEq, Eq)]
enum NameServer {
    Address(SocketAddr),
    /// Its name is looked up when it is asked for the first time, as in the reference.
    Name(String),
}

impl BackupDns {
    /// Name servers by IP address, perhaps with a port, or by name.
    ///
    /// # Errors
    /// If one is neither.
    pub(super) fn new(servers: &[String]) -> Result<BackupDns, DnsError> {
        let servers = servers.iter().take(MAX_SERVERS).map(|text| NameServer::parse(text));
        Ok(BackupDns {
            servers: servers.collect::<Result<_, _>>()?,
            resolver: OnceCell::new(),
        })
    }

    /// Who asks the name servers, whose names `system` finds; `None` if there are none.
    ///
    /// # Errors
    /// If no name can be found now.
    pub(super) async fn resolver(&self, system: &TokioResolver) -> Result<Option<&TokioResolver>, DnsError> {
        if self.servers.is_empty() {
            return Ok(None);
        }
        let resolver = self.resolver.get_or_try_init(async || {
            let mut addresses = Vec::new();
            for server in &self.servers {
                addresses.extend(server.address(system).await);
            }
            if addresses.is_empty() {
                return Err(DnsError("no backup name server can be found".to_owned()));
            }
            let servers = addresses.into_iter().map(configured).collect();
            build(TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(servers),
                TokioRuntimeProvider::default(),
            ))
        });
        resolver.await.map(Some)
    }
}

impl NameServer {
    fn parse(text: &str) -> Result<NameServer, DnsError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(NameServer::Address(SocketAddr::new(ip, PORT)));
        }
        if let Ok(address) = text.parse() {
            return Ok(NameServer::Address(address));
        }
        let is_name = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if is_name && text.contains('.') {
            Ok(NameServer::Name(text.to_owned()))
        } else {
            let message = format!("PDS_HANDLE_BACKUP_NAMESERVERS: {text:?} is neither an IP address nor a host name");
            Err(DnsError(message))
        }
    }

    async fn address(&self, system: &TokioResolver) -> Option<SocketAddr> {
        match self {
            NameServer::Address(address) => Some(*address),
            NameServer::Name(name) => {
                let found = system.lookup_ip(absolute(name)).await.ok()?;
                found.iter().next().map(|ip| SocketAddr::new(ip, PORT))
            }
        }
    }
}

fn configured(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::system_dns::system_builder;
    use super::*;

    #[test]
    fn name_servers_have_addresses_or_names() {
        let address = |text: &str| Some(NameServer::Address(text.parse().unwrap()));
        let parse = |text| NameServer::parse(text).ok();
        assert_eq!(parse("9.9.9.9"), address("9.9.9.9:53"));
        assert_eq!(parse("::1"), address("[::1]:53"));
        assert_eq!(parse("[::1]:5353"), address("[::1]:5353"));
        assert_eq!(
            parse("ns1.example.com"),
            Some(NameServer::Name("ns1.example.com".to_owned()))
        );
        for wrong in ["nonsense", "https://9.9.9.9", "ns1.example.com:53", "9.9.9.9/32"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(configured("[::1]:5353".parse().unwrap()).connections[1].port, 5353);
    }

    #[tokio::test]
    async fn names_are_looked_up_when_they_are_needed() {
        let system = build(system_builder()).unwrap();
        let none = BackupDns::new(&[]).unwrap();
        assert!(none.resolver(&system).await.unwrap().is_none());
        // Every resolver knows where `localhost` is.
        let local = BackupDns::new(&["ns.localhost".to_owned()]).unwrap();
        assert!(local.resolver(&system).await.unwrap().is_some());
    }
}
