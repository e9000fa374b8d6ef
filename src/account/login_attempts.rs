//! Wrong passwords make strangers wait. Who has logged in to an account from an address before does not wait there: nobody can lock an
//! account's owner out by guessing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use atproto_data::Did;

use super::PasswordError;
use crate::backoff::{Backoff, Waits};
use crate::clock::Clock;
use crate::counters::Counters;

/// For those who guess an account's password from an address that it was not used at: those at the same time wait for each other.
const GUESSES: Waits = Waits {
    free: 10,
    window: Duration::from_mins(10),
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
};

/// Who would have to wait longer for the guesses of others is asked to come back.
const MAX_WAIT: Duration = Duration::from_secs(30);

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
    /// What was given, in its one spelling. Wrong tries count on it and not on the account: whether they add up must not tell whose it is.
    pub(super) identifier: &'a str,
    /// The account, if there is one.
    pub(super) account: Option<&'a Did>,
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
    ///
    /// # Errors
    /// If too many wait for theirs.
    pub(super) async fn begin(&self, attempt: LoginAttempt<'_>) -> Result<(), PasswordError> {
        if self.is_known(attempt) {
            return Ok(());
        }
        let turn = self
            .guesses
            .turn(attempt.identifier, MAX_WAIT)
            .ok_or(PasswordError::Busy)?;
        if !turn.is_zero() {
            self.clock.sleep(turn).await;
        }
        Ok(())
    }

    /// It went well: the account's owner is at this address.
    pub(super) fn was_right(&self, attempt: LoginAttempt<'_>) {
        if !self.is_known(attempt) {
            self.guesses.was_right(attempt.identifier);
        }
        if let Some(home) = attempt.account.zip(attempt.from) {
            self.known.add(home, 1, KNOWN_FOR, self.clock.now_micros());
        }
    }

    fn is_known(&self, attempt: LoginAttempt<'_>) -> bool {
        let now = self.clock.now_micros();
        let home = attempt.account.zip(attempt.from);
        home.is_some_and(|home| self.known.used(home, now) > 0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::fake::FakeClock;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)));

    fn attempt<'a>(identifier: &'a str, did: &'a Did, from: Option<IpAddr>) -> LoginAttempt<'a> {
        LoginAttempt {
            identifier,
            account: Some(did),
            from,
        }
    }

    /// The owner of an account has logged in once.
    async fn with_owner_at_home() -> (Arc<FakeClock>, LoginAttempts, Did) {
        let clock = Arc::new(FakeClock::new());
        let attempts = LoginAttempts::new(clock.clone());
        let did: Did = "did:web:alice.test".parse().unwrap();
        let login = attempt("alice.test", &did, HOME);
        attempts.begin(login).await.unwrap();
        attempts.was_right(login);
        (clock, attempts, did)
    }

    #[tokio::test]
    async fn strangers_wait_and_the_owner_at_home_does_not() {
        let (clock, attempts, did) = with_owner_at_home().await;
        let from = |from| attempt("alice.test", &did, from);
        for host in 0..11 {
            let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
            attempts.begin(from(Some(stranger))).await.unwrap();
        }
        assert_eq!(clock.slept(), [Duration::from_secs(1)]);
        attempts.begin(from(HOME)).await.unwrap();
        assert_eq!(clock.slept().len(), 1);
        attempts.begin(from(None)).await.unwrap();
        assert_eq!(clock.slept().len(), 2);
        // Whose address this is shows only to the owner at home.
        let by_address = |from| attempt("alice@mail.test", &did, from);
        attempts.begin(by_address(None)).await.unwrap();
        assert_eq!(clock.slept().len(), 2);
        for _ in 0..30 {
            attempts.begin(by_address(HOME)).await.unwrap();
        }
        assert_eq!(clock.slept().len(), 2);
    }

    #[tokio::test]
    async fn of_many_guesses_at_once_few_are_looked_at() {
        let (clock, attempts, did) = with_owner_at_home().await;
        let from = |from| attempt("alice.test", &did, from);
        // The clock stands still while they come.
        let turns: Vec<_> = (0..100)
            .map(|_| attempts.guesses.turn("alice.test", MAX_WAIT))
            .collect();
        let seconds: Vec<u64> = turns.iter().flatten().map(Duration::as_secs).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 7, 15, 25]);
        // Those who were sent away do not count: there is a turn again.
        clock.advance(Duration::from_secs(10));
        assert_eq!(
            attempts.guesses.turn("alice.test", MAX_WAIT),
            Some(Duration::from_secs(25))
        );
        assert_eq!(attempts.guesses.turn("alice.test", MAX_WAIT), None);
        assert!(matches!(attempts.begin(from(None)).await, Err(PasswordError::Busy)));
        attempts.begin(from(HOME)).await.unwrap();
        assert!(clock.slept().is_empty());
    }
}
