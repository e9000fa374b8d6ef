//! Which address a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use super::LimitSettings;

/// Where proxies write down whom they speak for, the nearest last.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// So many entries of it are read; no honest chain of proxies is longer.
const MAX_HOPS: usize = 10;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// This address; of IPv6 the network of 64 bits, of which a subscriber has one at least.
    At(IpAddr),
    /// Behind a proxy that does not say for whom it speaks.
    Hidden,
}

impl Client {
    /// The address, if it is known.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Client::At(address) => Some(address),
            Client::Hidden => None,
        }
    }

    pub(super) fn of(address: Option<IpAddr>) -> Client {
        match address {
            Some(address) if !is_private(&address) => Client::At(network(address)),
            _ => Client::Hidden,
        }
    }
}

/// The address of the client behind the proxies that may be believed. Each proxy writes down who connected to it, so the header is read
/// from its end, and only as long as who wrote the entry is believed: what stands before may be the client's own invention.
pub(super) fn resolve(peer: IpAddr, headers: &HeaderMap, settings: &LimitSettings) -> IpAddr {
    let mut address = peer.to_canonical();
    let mut is_believed = is_proxy(address, settings) || is_neighbour(address, settings);
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(MAX_HOPS) {
        let Some(next) = parse(hop.trim()).filter(|_| is_believed) else {
            break;
        };
        address = next;
        is_believed = is_proxy(address, settings);
    }
    address
}

/// Whether the operator says that an address is a proxy's.
fn is_proxy(address: IpAddr, settings: &LimitSettings) -> bool {
    let networks = &settings.trusted_proxies;
    settings.bypass_addresses.contains(&address) || networks.iter().any(|network| network.contains(&address))
}

/// Where the operator names no proxies: whether a connection comes from where load balancers are. Behind that one hop a private address is
/// a client like any other.
fn is_neighbour(address: IpAddr, settings: &LimitSettings) -> bool {
    settings.trusted_proxies.is_empty() && (address.is_loopback() || is_private(&address))
}

/// The address of a hop; some proxies write a port to it.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .or_else(|_| hop.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// Whether an address is one of a local network. Loopback is not: who calls from there is a client.
fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::http::HeaderValue;

    use super::*;

    fn settings(bypass_addresses: &[&str], trusted_proxies: &[&str]) -> LimitSettings {
        LimitSettings {
            bypass_addresses: bypass_addresses.iter().map(|text| text.parse().unwrap()).collect(),
            trusted_proxies: trusted_proxies.iter().map(|text| text.parse().unwrap()).collect(),
            ..LimitSettings::default()
        }
    }

    /// Each case: peer, X-Forwarded-For, client.
    fn check(settings: &LimitSettings, cases: &[(&str, &[&str], &str)]) {
        for (peer, forwarded, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in *forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
            }
            let client = match Client::of(Some(resolve(peer.parse().unwrap(), &headers, settings))) {
                Client::At(address) => address.to_string(),
                Client::Hidden => "hidden".to_owned(),
            };
            assert_eq!(client, *expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_proxies_say_who_the_client_is() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("203.0.113.7", &[], "203.0.113.7"),
            ("203.0.113.7", &["192.0.2.1"], "203.0.113.7"),
            ("203.0.113.7", &["198.51.100.9"], "203.0.113.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("::1", &[], "::1"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:127.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["192.0.2.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["192.0.2.1", "203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["192.0.2.1, 203.0.113.7, 198.51.100.9"], "203.0.113.7"),
            ("127.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("127.0.0.1", &["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::"),
            ("2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::"),
            ("10.0.0.1", &[], "hidden"),
            ("100.125.3.4", &[], "hidden"),
            ("169.254.1.1", &[], "hidden"),
            ("fd00::1", &[], "hidden"),
            ("127.0.0.1", &["10.1.2.3"], "hidden"),
            ("127.0.0.1", &["203.0.113.7, garbage"], "127.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, garbage"], "hidden"),
            ("198.51.100.9", &[], "198.51.100.9"),
        ];
        check(&settings(&["198.51.100.9"], &[]), cases);
        assert_eq!(Client::of(None), Client::Hidden);
    }

    #[test]
    fn nobody_on_a_private_network_speaks_for_others_but_the_neighbour() {
        // The neighbour wrote 10.0.0.2 down; all before it comes from there, invented or not.
        let cases: &[(&str, &[&str], &str)] = &[
            ("10.0.0.1", &["203.0.113.7, 10.0.0.2"], "hidden"),
            ("10.0.0.1", &["198.51.100.9, 10.0.0.2"], "hidden"),
            ("127.0.0.1", &["198.51.100.9", "192.168.1.5"], "hidden"),
            ("127.0.0.1", &["198.51.100.9, ::1"], "::1"),
        ];
        check(&settings(&["198.51.100.9"], &[]), cases);
    }

    #[test]
    fn proxies_that_the_operator_names_are_believed_and_no_others() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("10.0.0.1", &["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (
                "10.0.0.1",
                &["192.0.2.1, 203.0.113.7, 192.0.2.200, 10.0.0.2"],
                "203.0.113.7",
            ),
            ("10.0.0.1", &["198.51.100.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("192.168.0.1", &["203.0.113.7"], "hidden"),
            ("127.0.0.1", &["203.0.113.7"], "127.0.0.1"),
            ("192.0.2.200", &["203.0.113.7"], "203.0.113.7"),
            ("203.0.113.7", &["10.0.0.2"], "203.0.113.7"),
        ];
        check(&settings(&[], &["10.0.0.0/8", "192.0.2.200/32"]), cases);
    }

    #[test]
    fn a_long_chain_is_not_followed() {
        let mut headers = HeaderMap::new();
        let chain = format!("203.0.113.7{}", ", 10.0.0.1".repeat(50));
        headers.append(FORWARDED_FOR, HeaderValue::try_from(chain).unwrap());
        let proxy = "10.0.0.1".parse().unwrap();
        assert_eq!(resolve(proxy, &headers, &settings(&[], &["10.0.0.0/8"])), proxy);
    }
}
