//! Wrong passwords make strangers wait. Who has logged in to an account from an address before does not wait there: nobody can lock an
//! account's owner out by guessing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{Backoff, Waits};
use crate::clock::Clock;
use crate::counters::Counters;

/// For those who guess an account's password from an address that it was not used at.
const GUESSES: Waits = Waits {
    free: 10,
    window: Duration::from_mins(10),
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
};

/// So many accounts that somebody guesses at are told apart.
const MAX_GUESSED_AT: usize = 50_000;
/// How long an address is remembered after a login.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);
/// So many addresses of accounts are remembered.
const MAX_KNOWN: usize = 50_000;

/// Who has tried to log in, and from where it went well.
pub(super) struct LoginAttempts {
    guesses: Backoff,
    known: Counters,
    clock: Arc<dyn Clock>,
}

/// A try to log in.
#[derive(Clone, Copy)]
pub(super) struct LoginAttempt<'a> {
    /// The account's DID, or what was given instead of one that exists.
    pub(super) account: &'a str,
    /// The client's address, if it is known.
    pub(super) from: Option<IpAddr>,
}

impl LoginAttempts {
    pub(super) fn new(clock: Arc<dyn Clock>) -> LoginAttempts {
        LoginAttempts {
            guesses: Backoff::new(GUESSES, MAX_GUESSED_AT, Arc::clone(&clock)),
            known: Counters::new(MAX_KNOWN),
            clock,
        }
    }

    /// Waits for the attempt's turn; counts it as wrong until [`LoginAttempts::was_right`].
    pub(super) async fn begin(&self, attempt: LoginAttempt<'_>) {
        if !self.is_known(attempt) {
            self.guesses.attempt(attempt.account).await;
        }
    }

    /// It went well: the account's owner is at this address.
    pub(super) fn was_right(&self, attempt: LoginAttempt<'_>) {
        if !self.is_known(attempt) {
            self.guesses.was_right(attempt.account);
        }
        if let Some(from) = attempt.from {
            self.known
                .add((attempt.account, from), 1, KNOWN_FOR, self.clock.now_micros());
        }
    }

    fn is_known(&self, attempt: LoginAttempt<'_>) -> bool {
        let now = self.clock.now_micros();
        attempt
            .from
            .is_some_and(|from| self.known.used((attempt.account, from), now) > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::fake::FakeClock;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)));

    #[tokio::test]
    async fn strangers_wait_and_the_owner_at_home_does_not() {
        let clock = Arc::new(FakeClock::new());
        let attempts = LoginAttempts::new(clock.clone());
        let from = |from| LoginAttempt {
            account: "did:web:alice.test",
            from,
        };
        attempts.begin(from(HOME)).await;
        attempts.was_right(from(HOME));
        for host in 0..11 {
            let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
            attempts.begin(from(Some(stranger))).await;
        }
        assert_eq!(clock.slept(), [Duration::from_secs(1)]);
        attempts.begin(from(HOME)).await;
        assert_eq!(clock.slept().len(), 1);
        attempts.begin(from(None)).await;
        assert_eq!(clock.slept().len(), 2);
        let bob = LoginAttempt {
            account: "did:web:bob.test",
            from: None,
        };
        attempts.begin(bob).await;
        assert_eq!(clock.slept().len(), 2);
    }
}
