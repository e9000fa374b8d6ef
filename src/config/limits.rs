//! Rate limits, and the store that replicas share for them.

use std::net::IpAddr;

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const BYPASS_IPS: &str = "PDS_RATE_LIMIT_BYPASS_IPS";

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
        "PDS_REDIS_SCRATCH_ADDRESS",
        "Redis for limits and replay protection of several replicas.",
    )
    .or_computed("in memory")
    .not_yet(),
    Setting::new("PDS_REDIS_SCRATCH_PASSWORD", "Its password.")
        .secret()
        .not_yet(),
];

/// Rate limits, and the store that replicas share for them.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// `PDS_RATE_LIMITS_ENABLED`: limit how often callers may ask.
    pub enabled: bool,
    /// `PDS_RATE_LIMIT_BYPASS_KEY`: requests with this value in `x-ratelimit-bypass` are not limited.
    pub bypass_key: Option<Secret>,
    /// `PDS_RATE_LIMIT_BYPASS_IPS`: addresses that are not limited and are trusted as proxies.
    pub bypass_ips: Vec<IpAddr>,
    /// `PDS_REDIS_SCRATCH_ADDRESS`: `host:port` of a Redis.
    pub redis_address: Option<String>,
    /// `PDS_REDIS_SCRATCH_PASSWORD`: its password.
    pub redis_password: Option<Secret>,
}

impl LimitsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            enabled: reader.flag("PDS_RATE_LIMITS_ENABLED"),
            bypass_key: reader.secret("PDS_RATE_LIMIT_BYPASS_KEY"),
            bypass_ips: read_bypass_ips(reader),
            redis_address: reader.text("PDS_REDIS_SCRATCH_ADDRESS"),
            redis_password: reader.secret("PDS_REDIS_SCRATCH_PASSWORD"),
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
