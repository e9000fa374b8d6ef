//! Rate limits, and who is believed about the client's address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const BYPASS_IPS: &str = "PDS_RATE_LIMIT_BYPASS_IPS";
const TRUSTED_PROXIES: &str = "PDS_TRUSTED_PROXIES";
/// Where the processes of the reference server share their counts: accepted, checked by nobody, without effect.
const REDIS: [&str; 2] = ["PDS_REDIS_SCRATCH_ADDRESS", "PDS_REDIS_SCRATCH_PASSWORD"];

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "PDS_RATE_LIMITS_ENABLED",
        "Limit how often callers may ask (the reference server's default is `false`).",
    )
    .or("true"),
    Setting::new(
        "PDS_RATE_LIMIT_BYPASS_KEY",
        "Requests with this value in `x-ratelimit-bypass` are not limited.",
    )
    .secret(),
    Setting::new(
        BYPASS_IPS,
        "Addresses that are not limited and are trusted as proxies; a `/prefix` is ignored.",
    ),
    Setting::new(
        TRUSTED_PROXIES,
        "Addresses and networks (`10.0.0.0/8`) of proxies that are believed about the client's address: `X-Forwarded-For` is read from its \
         end to the first address that is none of them, which is the client. Needed where more than one proxy stands before this server.",
    )
    .or_computed("whoever connects from a loopback, link-local, private or carrier-grade NAT address, one hop deep"),
    Setting::new(REDIS[0], "One process keeps all counts in memory.").without_effect(),
    Setting::new(REDIS[1], "One process keeps all counts in memory.").secret().without_effect(),
];

/// Rate limits, and who is believed about the client's address.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// `PDS_RATE_LIMITS_ENABLED`: limit how often callers may ask.
    pub enabled: bool,
    /// `PDS_RATE_LIMIT_BYPASS_KEY`: requests with this value in `x-ratelimit-bypass` are not limited.
    pub bypass_key: Option<Secret>,
    /// `PDS_RATE_LIMIT_BYPASS_IPS`: addresses that are not limited and are trusted as proxies.
    pub bypass_ips: Vec<IpAddr>,
    /// `PDS_TRUSTED_PROXIES`: who is believed about the client's address; none means the neighbour on a private network.
    pub trusted_proxies: Vec<IpNet>,
}

impl LimitsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        for name in REDIS {
            if reader.text(name).is_some() {
                reader.warn(format!("{name} has no effect: one process keeps all counts in memory"));
            }
        }
        Self {
            enabled: reader.flag("PDS_RATE_LIMITS_ENABLED"),
            bypass_key: reader.secret("PDS_RATE_LIMIT_BYPASS_KEY"),
            bypass_ips: read_bypass_ips(reader),
            trusted_proxies: read_trusted_proxies(reader),
        }
    }
}

fn read_bypass_ips(reader: &mut Reader<'_>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for entry in reader.list(BYPASS_IPS) {
        // The reference server takes the address of a range alone.
        let address = entry
            .split_once('/')
            .map_or(entry.as_str(), |(address, _)| address.trim());
        match address.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => reader.refuse(BYPASS_IPS, "a comma-separated list of IP addresses", &entry),
        }
    }
    addresses
}

fn read_trusted_proxies(reader: &mut Reader<'_>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for entry in reader.list(TRUSTED_PROXIES) {
        let address = entry.parse::<IpAddr>().map(IpNet::from);
        match address.or_else(|_| entry.parse()) {
            Ok(network) => networks.push(network),
            Err(_) => reader.refuse(
                TRUSTED_PROXIES,
                "a comma-separated list of IP addresses and networks such as 10.0.0.0/8",
                &entry,
            ),
        }
    }
    networks
}
