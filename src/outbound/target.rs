//! What can be said of a URL before anything is sent: scheme, host and port.

use std::net::IpAddr;

use reqwest::Url;

use super::address::is_public;

/// How far requests may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The public network, by https.
    Public,
    /// Anywhere, by http too: for development (`PDS_DISABLE_SSRF_PROTECTION`).
    Anywhere,
}

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a URL.
    #[error("the address is not a URL")]
    NotAUrl,
    /// Neither https nor, in development, http.
    #[error("only https addresses are allowed")]
    Scheme,
    /// There is a user or a password in it.
    #[error("addresses with a user name are not allowed")]
    UserInfo,
    /// A service that is not HTTP lives on that port.
    #[error("the address's port is not allowed")]
    Port,
    /// A name of a private network.
    #[error("the address's host is not a public name")]
    Name,
    /// It is not public, or its name belongs to an address that is not.
    #[error("the address is not public")]
    Address,
}

/// Ports of protocols that could be made to take an HTTP request or a TLS greeting for a command: those that browsers refuse
/// ([Fetch §2.9](https://fetch.spec.whatwg.org/#port-blocking)) as far as anybody runs them, and databases.
const CLOSED_PORTS: [u16; 44] = [
    0, 1, 7, 9, 13, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 110, 111, 113, 119, 123, 135, 139, 143, 161, 179,
    389, 445, 465, 514, 587, 636, 873, 993, 995, 1433, 2049, 3306, 5432, 6379, 9200, 11211, 27017,
];

/// Last labels of names that never are public (RFC 6761, RFC 8375, RFC 9476), and of those that clusters and home networks use.
const CLOSED_NAMES: [&str; 9] = [
    "localhost",
    "local",
    "internal",
    "invalid",
    "onion",
    "alt",
    "arpa",
    "lan",
    "home",
];

/// Reads an address and checks what can be checked before its name is resolved.
///
/// # Errors
/// Why nothing is to be sent there.
pub(super) fn check(address: &str, reach: Reach) -> Result<Url, Refusal> {
    let url = Url::parse(address).map_err(|_| Refusal::NotAUrl)?;
    let allowed = match reach {
        Reach::Public => url.scheme() == "https",
        Reach::Anywhere => matches!(url.scheme(), "https" | "http"),
    };
    if !allowed {
        return Err(Refusal::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UserInfo);
    }
    if reach == Reach::Anywhere {
        return Ok(url);
    }
    if url.port().is_some_and(|port| CLOSED_PORTS.contains(&port)) {
        return Err(Refusal::Port);
    }
    check_host(url.host_str().ok_or(Refusal::NotAUrl)?)?;
    Ok(url)
}

/// Refuses an address that is not public.
pub(super) fn check_address(address: IpAddr) -> Result<(), Refusal> {
    if is_public(address) {
        Ok(())
    } else {
        Err(Refusal::Address)
    }
}

/// The host of a parsed URL: addresses have one spelling there, whatever they were written like.
fn check_host(host: &str) -> Result<(), Refusal> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => check_address(address),
        Err(_) => check_name(host),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit_once('.').map(|(_, last)| last).ok_or(Refusal::Name)?;
    if CLOSED_NAMES.contains(&last) {
        Err(Refusal::Name)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(address: &str, reach: Reach) -> Result<(), Refusal> {
        check(address, reach).map(drop)
    }

    #[test]
    fn only_public_https_addresses_pass() {
        for (address, expected) in [
            ("https://example.com/path?query", Ok(())),
            ("https://example.com:8443", Ok(())),
            ("https://1.1.1.1/", Ok(())),
            ("https://[2606:4700::1111]/", Ok(())),
            ("http://example.com", Err(Refusal::Scheme)),
            ("file:///etc/passwd", Err(Refusal::Scheme)),
            ("gopher://example.com", Err(Refusal::Scheme)),
            ("ftp://example.com", Err(Refusal::Scheme)),
            ("data:text/plain,a", Err(Refusal::Scheme)),
            ("example.com", Err(Refusal::NotAUrl)),
            ("https://", Err(Refusal::NotAUrl)),
            ("https://user@example.com", Err(Refusal::UserInfo)),
            ("https://example.com@127.0.0.1", Err(Refusal::UserInfo)),
            ("https://:password@example.com", Err(Refusal::UserInfo)),
            ("https://example.com:22", Err(Refusal::Port)),
            ("https://example.com:25", Err(Refusal::Port)),
            ("https://example.com:6379", Err(Refusal::Port)),
            ("https://127.0.0.1", Err(Refusal::Address)),
            ("https://2130706433", Err(Refusal::Address)),
            ("https://0x7f000001", Err(Refusal::Address)),
            ("https://0177.0.0.1", Err(Refusal::Address)),
            ("https://127.1", Err(Refusal::Address)),
            ("https://0", Err(Refusal::Address)),
            ("https://169.254.169.254/latest/meta-data", Err(Refusal::Address)),
            ("https://[::1]", Err(Refusal::Address)),
            ("https://[::ffff:127.0.0.1]", Err(Refusal::Address)),
            ("https://[64:ff9b::7f00:1]", Err(Refusal::Address)),
            ("https://localhost", Err(Refusal::Name)),
            ("https://localhost.", Err(Refusal::Name)),
            ("https://pds", Err(Refusal::Name)),
            ("https://db.default.svc.cluster.local", Err(Refusal::Name)),
            ("https://metadata.google.internal", Err(Refusal::Name)),
            ("https://router.home.arpa", Err(Refusal::Name)),
        ] {
            assert_eq!(outcome(address, Reach::Public), expected, "{address}");
        }
    }

    #[test]
    fn development_reaches_anywhere_by_http() {
        for (address, expected) in [
            ("http://localhost:2583", Ok(())),
            ("https://10.0.0.1:22", Ok(())),
            ("file:///etc/passwd", Err(Refusal::Scheme)),
            ("http://user@localhost", Err(Refusal::UserInfo)),
        ] {
            assert_eq!(outcome(address, Reach::Anywhere), expected, "{address}");
        }
    }
}
