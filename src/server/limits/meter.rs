//! What one request has used of its limits.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atproto_data::Did;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::limit::Per;
use super::{ALL_CALLS, ALL_CALLS_OF_ACCOUNT, Client, Limit, Limiter};
use crate::counters::Window;
use crate::observe::metrics;
use crate::server::error::XrpcError;
use crate::server::input::Input;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Where clients cannot be told apart, what is limited by address and identifier is limited by identifier, this much more widely.
const HIDDEN_CLIENTS: u32 = 10;

/// Whom a caller's calls count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountsOn<'c> {
    /// The client's address.
    Client,
    /// An account that has logged in.
    Account(&'c Did),
    /// An account with a token that it signed itself: anybody can have any number of such, so calls count on the address, and only what
    /// is limited by account counts on the account.
    Visitor(&'c Did),
    /// Nobody: who knows the administrator's password is not limited.
    Operator,
}

/// What a request has used. An extension of every request; cheap to clone.
#[derive(Clone)]
pub struct Meter {
    /// None if the request is not limited.
    limiter: Option<Arc<Limiter>>,
    client: Client,
    tightest: Arc<Mutex<Option<Standing>>>,
}

/// How a request stands with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    points: u32,
    window: Duration,
    used: Window,
    now: i64,
}

impl Meter {
    pub(super) fn new(limiter: Option<Arc<Limiter>>, client: Client) -> Meter {
        Meter {
            limiter,
            client,
            tightest: Arc::default(),
        }
    }

    /// The meter of a request. One that did not come through the router is not limited.
    pub fn of(request: &Parts) -> Meter {
        let meter = request.extensions.get::<Meter>().cloned();
        meter.unwrap_or_else(|| Meter::new(None, Client::Hidden))
    }

    /// Where the request comes from.
    pub fn client(&self) -> Client {
        self.client
    }

    /// Whether it is limited at all.
    pub fn is_limited(&self) -> bool {
        self.limiter.is_some()
    }

    /// The address that may have its share of what there is and no more; none where the request is not limited, the address is hidden, or
    /// it is this machine's own, where a proxy may hide others.
    pub fn sharing_address(&self) -> Option<IpAddr> {
        self.limiter.as_ref()?;
        self.client.address().filter(|address| !address.is_loopback())
    }

    /// Counts a call on its caller, or on its address if it could not say who it is.
    pub(in crate::server) fn count_call(&self, on: CountsOn<'_>) -> Result<(), XrpcError> {
        match on {
            CountsOn::Operator => Ok(()),
            CountsOn::Account(did) => self.count(&ALL_CALLS_OF_ACCOUNT, did.as_str(), 1),
            CountsOn::Client | CountsOn::Visitor(_) => self.count_on_client(&ALL_CALLS, "", 1),
        }
    }

    /// Counts a call on the limits of its method.
    pub(in crate::server) fn count_method(
        &self,
        limits: &[Limit],
        on: CountsOn<'_>,
        input: &Input,
    ) -> Result<(), XrpcError> {
        if on == CountsOn::Operator {
            return Ok(());
        }
        let mut outcome = Ok(());
        for limit in limits {
            // All of them count, also if one is exceeded already, but nobody uses up what is everybody's with calls that are refused.
            if outcome.is_ok() || limit.per != Per::Server {
                outcome = outcome.and(self.count_limit(limit, on, input));
            }
        }
        outcome
    }

    /// Takes back what counts failures only: the call succeeded.
    pub(in crate::server) fn call_succeeded(&self, limits: &[Limit]) {
        let Some((limiter, address)) = self.limiter.as_ref().zip(self.client.address()) else {
            return;
        };
        for limit in limits.iter().filter(|limit| limit.per == Per::FailuresOfAddress) {
            limiter.counters.give_back(key_of(limit, (address, "")), 1);
        }
    }

    /// Counts what a page does for somebody who is not logged in.
    ///
    /// # Errors
    /// 429 `RateLimitExceeded` if that was too often.
    pub fn count_page(&self, limits: &[Limit]) -> Result<(), XrpcError> {
        self.count_method(limits, CountsOn::Client, &Input::default())
    }

    fn count_limit(&self, limit: &Limit, on: CountsOn<'_>, input: &Input) -> Result<(), XrpcError> {
        let points = (limit.cost)(input);
        match (limit.per, on) {
            (Per::Server, _) => self.count(limit, (), points),
            (Per::Account, CountsOn::Account(did) | CountsOn::Visitor(did)) => self.count(limit, did.as_str(), points),
            (Per::Account | Per::Address | Per::FailuresOfAddress, _) => self.count_on_client(limit, "", points),
            (Per::AddressAndInput(field), _) if self.client == Client::Hidden => {
                self.note_hidden_client();
                self.count(&limit.widened(HIDDEN_CLIENTS), text_of(input, field), points)
            }
            (Per::AddressAndInput(field), _) => self.count_on_client(limit, &text_of(input, field), points),
        }
    }

    fn count_on_client(&self, limit: &Limit, text: &str, points: u32) -> Result<(), XrpcError> {
        match self.client {
            Client::At(address) => self.count(limit, (address, text), points),
            Client::Hidden => {
                self.note_hidden_client();
                Ok(())
            }
        }
    }

    fn note_hidden_client(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.note_hidden_client();
        }
    }

    fn count(&self, limit: &Limit, key: impl Hash, points: u32) -> Result<(), XrpcError> {
        let Some(limiter) = self.limiter.as_ref().filter(|_| points > 0) else {
            return Ok(());
        };
        let now = limiter.clock.now_micros();
        let standing = Standing {
            points: limit.points,
            window: limit.window,
            used: limiter.counters.add(key_of(limit, key), points, limit.window, now),
            now,
        };
        let mut tightest = self.tightest.lock().unwrap_or_else(PoisonError::into_inner);
        if tightest.is_none_or(|tightest| standing.is_tighter_than(&tightest)) {
            *tightest = Some(standing);
        }
        if standing.is_exceeded() {
            metrics::RATE_LIMITED.increment([match limit.per {
                Per::Account => "account",
                Per::Server => "server",
                Per::Address | Per::FailuresOfAddress => "address",
                Per::AddressAndInput(_) => "identifier",
            }]);
            Err(XrpcError::rate_limited())
        } else {
            Ok(())
        }
    }

    /// Makes who has guessed the administrator's password wrong wait before another guess is looked at.
    pub async fn before_admin_guess(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.admin_guesses.attempt(self.client).await;
        }
    }

    /// The guess was right.
    pub fn admin_guess_was_right(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.admin_guesses.was_right(self.client);
        }
    }

    /// Tells the client how it stands with its tightest limit.
    pub(in crate::server) fn tell(&self, headers: &mut HeaderMap) {
        let tightest = *self.tightest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = tightest {
            standing.tell(headers);
        }
    }
}

/// What a limit counts on.
fn key_of(limit: &Limit, on: impl Hash) -> impl Hash {
    (limit.name, limit.window, limit.per, on)
}

/// What a field of the input says, in lower case.
fn text_of(input: &Input, field: &str) -> String {
    let text = input.get(field).and_then(|value| value.as_str());
    text.unwrap_or_default().to_lowercase()
}

impl Standing {
    fn remaining(&self) -> u32 {
        self.points.saturating_sub(self.used.used)
    }

    fn is_exceeded(&self) -> bool {
        self.used.used > self.points
    }

    /// Whether a client should hear of this one rather than of the other: one that is exceeded, the one that ends last; else the one with
    /// the least left.
    fn is_tighter_than(&self, other: &Standing) -> bool {
        match (self.is_exceeded(), other.is_exceeded()) {
            (true, true) => self.used.ends > other.used.ends,
            (exceeded, other_exceeded) if exceeded != other_exceeded => exceeded,
            _ => self.remaining() < other.remaining(),
        }
    }

    fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.points.into());
        headers.insert(REMAINING, self.remaining().into());
        headers.insert(RESET, self.used.ends.div_euclid(MICROS_PER_SECOND).into());
        let policy = format!("{};w={}", self.points, self.window.as_secs());
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(POLICY, policy);
        }
        if self.is_exceeded() {
            let wait = self.used.ends.saturating_sub(self.now).max(0);
            // Rounded up: who comes back then is let in.
            let seconds = (wait + MICROS_PER_SECOND - 1) / MICROS_PER_SECOND;
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }
}
