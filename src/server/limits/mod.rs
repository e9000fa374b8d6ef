//! Rate limits: how often a client, an account or everybody may ask.
//!
//! Every request gets a [`Meter`]; whatever counts, counts on it, and the answer tells the tightest limit that the request met.

mod client;
mod limit;
mod meter;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::listen::Peer;
use crate::backoff::{Backoff, Waits};
use crate::clock::Clock;
use crate::counters::Counters;

pub use client::Client;
pub use limit::Limit;
pub use meter::{CountsOn, Meter};

/// Who knows `PDS_RATE_LIMIT_BYPASS_KEY` is not limited.
const BYPASS_KEY: HeaderName = HeaderName::from_static("x-ratelimit-bypass");

/// So many counts are kept at a time, about 4 MB.
const MAX_COUNTS: usize = 100_000;

/// What every call counts on, unless its method counts apart.
const ALL_CALLS: Limit = Limit::per_address("all", 3_000, Duration::from_mins(5));
const ALL_CALLS_OF_ACCOUNT: Limit = Limit::per_account("all", 3_000, Duration::from_mins(5));

/// For those who guess the administrator's password.
const ADMIN_GUESSES: Waits = Waits {
    free: 5,
    window: Duration::from_mins(1),
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
};
/// So many addresses that guess are told apart.
const MAX_GUESSERS: usize = 10_000;

/// What the operator decides.
#[derive(Clone, Debug, Default)]
pub struct LimitSettings {
    /// Whether there are limits (`PDS_RATE_LIMITS_ENABLED`).
    pub enabled: bool,
    /// Requests with this value in `x-ratelimit-bypass` are not limited (`PDS_RATE_LIMIT_BYPASS_KEY`).
    pub bypass_key: Option<String>,
    /// Addresses that are not limited and are believed as proxies (`PDS_RATE_LIMIT_BYPASS_IPS`).
    pub bypass_addresses: Vec<IpAddr>,
    /// Who is believed about the client's address (`PDS_TRUSTED_PROXIES`); none means the neighbour on a private network.
    pub trusted_proxies: Vec<IpNet>,
}

/// All limits of this server and what has been counted.
pub struct Limiter {
    settings: LimitSettings,
    counters: Counters,
    admin_guesses: Backoff,
    clock: Arc<dyn Clock>,
    clients_are_hidden: AtomicBool,
}

impl Limiter {
    /// A limiter that has counted nothing.
    pub fn new(mut settings: LimitSettings, clock: Arc<dyn Clock>) -> Limiter {
        for address in &mut settings.bypass_addresses {
            *address = address.to_canonical();
        }
        Limiter {
            settings,
            counters: Counters::new(MAX_COUNTS),
            admin_guesses: Backoff::new(ADMIN_GUESSES, MAX_GUESSERS, Arc::clone(&clock)),
            clock,
            clients_are_hidden: AtomicBool::new(false),
        }
    }

    /// Whether a proxy has been seen that hides its clients, so that limits on addresses cannot be enforced.
    pub fn clients_are_hidden(&self) -> bool {
        self.clients_are_hidden.load(Ordering::Relaxed)
    }

    /// The meter of a request.
    pub(super) fn meter(self: &Arc<Self>, request: &Parts) -> Meter {
        let peer = request.extensions.get::<Peer>();
        let address = peer.map(|peer| client::resolve(peer.0.ip(), &request.headers, &self.settings));
        let is_limited = self.settings.enabled && !self.lets_pass(address, &request.headers);
        Meter::new(is_limited.then(|| Arc::clone(self)), Client::of(address))
    }

    fn lets_pass(&self, address: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let has_key = self.settings.bypass_key.as_deref().is_some_and(|key| {
            let given = headers.get(BYPASS_KEY).map_or(&[][..], |value| value.as_bytes());
            bool::from(given.ct_eq(key.as_bytes()))
        });
        has_key || address.is_some_and(|address| self.settings.bypass_addresses.contains(&address))
    }

    /// Notes that limits on addresses cannot be enforced, and says so once.
    fn note_hidden_client(&self) {
        if !self.clients_are_hidden.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests come from a private address: limits that count on client addresses are not enforced for them; let the proxy or \
                 load balancer tell the client's address in X-Forwarded-For, and if there are several, name them in PDS_TRUSTED_PROXIES"
            );
        }
    }
}

#[cfg(test)]
mod tests;
