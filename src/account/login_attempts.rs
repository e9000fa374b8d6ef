//! Wrong passwords make strangers wait. Who has logged in to an account from an address before does not wait there, and whoever comes from an
//! address for the first time does not wait behind those who try again and again: nobody can lock an account's owner out by guessing.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use atproto_data::Did;

use super::{Origin, PasswordError};
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

/// The same for the first tries of each address: they queue apart from all that an address tries later. So that nobody fills this queue
/// without hundreds of addresses, its waits are short.
const FIRST_GUESSES: Waits = Waits {
    free: 30,
    window: GUESSES.window,
    first: Duration::from_secs(1),
    longest: Duration::from_secs(2),
};
/// So many are an address's first tries: people mistype.
const FIRST: u32 = 3;

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
    first_guesses: Backoff,
    /// Tries by identifier and address.
    tries: Counters,
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
    /// Where it comes from.
    pub(super) from: Origin,
}

impl LoginAttempts {
    pub(super) fn new(clock: Arc<dyn Clock>) -> LoginAttempts {
        LoginAttempts {
            guesses: Backoff::new(GUESSES, MAX_GUESSED_AT, Arc::clone(&clock)),
            first_guesses: Backoff::new(FIRST_GUESSES, MAX_GUESSED_AT, Arc::clone(&clock)),
            tries: Counters::new(MAX_GUESSED_AT),
            known: Counters::new(MAX_KNOWN),
            clock,
        }
    }

    /// Waits for the attempt's turn; counts it as wrong until [`LoginAttempts::was_right`].
    ///
    /// # Errors
    /// If too many wait for theirs.
    pub(super) async fn begin(&self, attempt: LoginAttempt<'_>) -> Result<(), PasswordError> {
        if self.is_exempt(attempt) {
            return Ok(());
        }
        if let Some(place) = place(attempt) {
            self.tries.add(place, 1, GUESSES.window, self.clock.now_micros());
        }
        let turn = self
            .queue(attempt)
            .turn(attempt.identifier, MAX_WAIT)
            .ok_or(PasswordError::Busy)?;
        if !turn.is_zero() {
            self.clock.sleep(turn).await;
        }
        Ok(())
    }

    /// It went well: the account's owner is at this address.
    pub(super) fn was_right(&self, attempt: LoginAttempt<'_>) {
        if !self.is_exempt(attempt) {
            self.queue(attempt).was_right(attempt.identifier);
        }
        if let Some(home) = attempt.account.zip(attempt.from.address()) {
            self.known.add(home, 1, KNOWN_FOR, self.clock.now_micros());
        }
    }

    /// Whose guesses an attempt waits for, once it is counted.
    fn queue(&self, attempt: LoginAttempt<'_>) -> &Backoff {
        let tries = place(attempt).map(|place| self.tries.used(place, self.clock.now_micros()));
        match tries {
            Some(..=FIRST) => &self.first_guesses,
            _ => &self.guesses,
        }
    }

    /// Whether an attempt waits for nobody's guesses.
    fn is_exempt(&self, attempt: LoginAttempt<'_>) -> bool {
        let now = self.clock.now_micros();
        let home = attempt.account.zip(attempt.from.address());
        attempt.from == Origin::Unlimited || home.is_some_and(|home| self.known.used(home, now) > 0)
    }
}

/// What first tries are told from later ones by. Of IPv6 the network of 48 bits, which is what one can easily have.
fn place(attempt: LoginAttempt<'_>) -> Option<(&str, IpAddr)> {
    let address = match attempt.from.address()? {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 48)).into(),
        v4 @ IpAddr::V4(_) => v4,
    };
    Some((attempt.identifier, address))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::fake::FakeClock;

    const HOME: Origin = Origin::At(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)));

    fn stranger(host: u8) -> Origin {
        Origin::At(Ipv4Addr::new(192, 0, 2, host).into())
    }

    fn attempt<'a>(identifier: &'a str, did: &'a Did, from: Origin) -> LoginAttempt<'a> {
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
        for _ in 0..FIRST + 11 {
            attempts.begin(from(stranger(1))).await.unwrap();
        }
        assert_eq!(clock.slept(), [Duration::from_secs(1)]);
        for exempt in [HOME, Origin::Unlimited] {
            attempts.begin(from(exempt)).await.unwrap();
        }
        assert_eq!(clock.slept().len(), 1);
        attempts.begin(from(Origin::Hidden)).await.unwrap();
        assert_eq!(clock.slept().len(), 2);
        // Whose address this is shows only to the owner at home.
        let by_address = |from| attempt("alice@mail.test", &did, from);
        attempts.begin(by_address(Origin::Hidden)).await.unwrap();
        assert_eq!(clock.slept().len(), 2);
        for _ in 0..30 {
            attempts.begin(by_address(HOME)).await.unwrap();
        }
        assert_eq!(clock.slept().len(), 2);
    }

    #[tokio::test]
    async fn who_comes_from_a_new_address_is_not_locked_out_by_those_who_guess_on() {
        let (clock, attempts, did) = with_owner_at_home().await;
        let from = |from| attempt("alice.test", &did, from);
        // Strangers at many addresses, all at once.
        for host in 0..20 {
            for _ in 0..FIRST {
                attempts.begin(from(stranger(host))).await.unwrap();
            }
        }
        while attempts.guesses.turn("alice.test", MAX_WAIT).is_some() {}
        let stranger = attempts.begin(from(stranger(1))).await;
        assert!(matches!(stranger, Err(PasswordError::Busy)), "{stranger:?}");
        let waited = clock.slept().len();
        let away = from(Origin::At(Ipv4Addr::new(198, 51, 100, 9).into()));
        attempts.begin(away).await.unwrap();
        assert_eq!(clock.slept()[waited..], [FIRST_GUESSES.longest]);
        attempts.was_right(away);
        assert!(attempts.is_exempt(away), "the next time nobody waits there");
    }

    #[tokio::test]
    async fn the_addresses_of_one_network_are_one_place() {
        let (_, attempts, did) = with_owner_at_home().await;
        let at = |site, subnet| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 0);
            attempt("alice.test", &did, Origin::At(address.into()))
        };
        for subnet in 0..4 {
            attempts.begin(at(1, subnet)).await.unwrap();
        }
        attempts.begin(at(2, 0)).await.unwrap();
        let is_first = |attempt| std::ptr::eq(attempts.queue(attempt), &raw const attempts.first_guesses);
        assert_eq!((is_first(at(1, 9)), is_first(at(2, 0))), (false, true));
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
        assert!(matches!(
            attempts.begin(from(Origin::Hidden)).await,
            Err(PasswordError::Busy)
        ));
        attempts.begin(from(HOME)).await.unwrap();
        assert!(clock.slept().is_empty());
    }
}
