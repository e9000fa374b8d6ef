//! Waiting for those who guess: some tries are free, each one after them waits twice as long as the one before.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::counters::Counters;

/// How long who guesses waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// So many wrong tries in a window cost nothing.
    pub(crate) free: u32,
    /// The window.
    pub(crate) window: Duration,
    /// The first wait.
    pub(crate) first: Duration,
    /// No wait is longer.
    pub(crate) longest: Duration,
}

/// The first wait doubled so many times, at most the longest.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

/// Wrong tries by key. Right or wrong, a try only waits; refused is at most who would wait behind a crowd ([`Backoff::turn`]).
pub(crate) struct Backoff {
    waits: Waits,
    counters: Counters,
    clock: Arc<dyn Clock>,
}

impl Backoff {
    /// Waits for at most `capacity` keys at a time.
    pub(crate) fn new(waits: Waits, capacity: usize, clock: Arc<dyn Clock>) -> Backoff {
        Backoff {
            waits,
            counters: Counters::new(capacity),
            clock,
        }
    }

    /// Counts a try as wrong, until [`Backoff::was_right`] says otherwise, and waits for its turn. Counted first, so that tries at the same
    /// time do not all count as the first one.
    pub(crate) async fn attempt(&self, key: impl Hash) {
        let tries = self.counters.add(key, 1, self.waits.window, self.clock.now_micros());
        if let Some(wait) = self.wait(tries.used) {
            self.clock.sleep(wait).await;
        }
    }

    /// When it is the turn of a try among all of a key in a window, those at the same time included: they wait for each other. Counts it as
    /// wrong as [`Backoff::attempt`] does; none, and not counted, if that would be a longer wait than `patience`.
    pub(crate) fn turn(&self, key: impl Hash + Copy, patience: Duration) -> Option<Duration> {
        let now = self.clock.now_micros();
        let tries = self.counters.add(key, 1, self.waits.window, now);
        let begun = i64::try_from(self.waits.window.as_micros()).map_or(0, |window| tries.ends.saturating_sub(window));
        let passed = Duration::from_micros(now.saturating_sub(begun).try_into().unwrap_or(0));
        let waits = (1..=tries.used).filter_map(|tries| self.wait(tries));
        let own = self.wait(tries.used).unwrap_or_default();
        let turn = waits.sum::<Duration>().saturating_sub(passed).max(own);
        if turn > patience {
            self.counters.give_back(key, 1);
            return None;
        }
        Some(turn)
    }

    /// The try was right: it does not count.
    pub(crate) fn was_right(&self, key: impl Hash) {
        self.counters.give_back(key, 1);
    }

    fn wait(&self, tries: u32) -> Option<Duration> {
        let beyond = tries.checked_sub(self.waits.free)?.checked_sub(1)?;
        Some(doubled(self.waits.first, beyond, self.waits.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeClock;

    #[tokio::test]
    async fn wrong_tries_wait_longer_each_time_and_right_ones_do_not_count() {
        let clock = Arc::new(FakeClock::new());
        let waits = Waits {
            free: 2,
            window: Duration::from_hours(1),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(5),
        };
        let backoff = Backoff::new(waits, 10, clock.clone());
        for _ in 0..5 {
            backoff.attempt("right").await;
            backoff.was_right("right");
        }
        assert!(clock.slept().is_empty());
        for _ in 0..6 {
            backoff.attempt("wrong").await;
        }
        assert_eq!(clock.slept(), [1, 2, 4, 5].map(Duration::from_secs));
        backoff.attempt("other").await;
        assert_eq!(clock.slept().len(), 4);
        clock.advance(Duration::from_hours(1));
        backoff.attempt("wrong").await;
        assert_eq!(clock.slept().len(), 4);
    }
}
