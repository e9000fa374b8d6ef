//! When a service that failed counts as down: not after one call, and not for a moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::CallOutcome;

/// So many calls in a row have failed…
const CALLS: u32 = 5;
/// …over at least this time.
const TIME: Duration = Duration::from_mins(1);

/// How the calls of one service ended lately.
#[derive(Debug, Default)]
pub struct Outage(Mutex<Option<Failures>>);

/// Failures since the last call that did not fail.
#[derive(Clone, Copy, Debug)]
struct Failures {
    calls: u32,
    first: Instant,
    last: Instant,
}

impl Outage {
    /// Takes note of how a call ended just `now`. One that did not fail ends the outage.
    pub fn note(&self, outcome: CallOutcome, now: Instant) {
        let mut failures = self.failures();
        if outcome.works() {
            *failures = None;
            return;
        }
        let before = failures.unwrap_or(Failures {
            calls: 0,
            first: now,
            last: now,
        });
        *failures = Some(Failures {
            calls: before.calls.saturating_add(1),
            last: now,
            ..before
        });
    }

    /// Whether the service is down.
    pub fn lasts(&self) -> bool {
        self.failures()
            .is_some_and(|failures| failures.calls >= CALLS && failures.last.duration_since(failures.first) >= TIME)
    }

    fn failures(&self) -> MutexGuard<'_, Option<Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the service is down after calls that ended so many seconds after the start.
    fn is_down(calls: &[(u64, CallOutcome)]) -> bool {
        let start = Instant::now();
        let outage = Outage::default();
        for (second, outcome) in calls {
            outage.note(*outcome, start + Duration::from_secs(*second));
        }
        outage.lasts()
    }

    #[test]
    fn a_service_is_down_when_call_after_call_fails_for_a_while() {
        use CallOutcome::{ClientError, Ok, ServerError, Timeout, Unreachable};
        let failing = [
            (0, Timeout),
            (1, Unreachable),
            (2, ServerError),
            (3, Timeout),
            (60, Timeout),
        ];
        assert!(is_down(&failing));
        assert!(!is_down(&[]));
        assert!(!is_down(&failing[..4]), "within a minute");
        assert!(!is_down(&[(0, Timeout), (600, Timeout)]), "two calls");
        for works in [Ok, ClientError] {
            let mut calls = failing.to_vec();
            calls.push((61, works));
            assert!(!is_down(&calls), "it works again");
            calls.extend([
                (62, Timeout),
                (63, Timeout),
                (64, Timeout),
                (65, Timeout),
                (121, Timeout),
            ]);
            assert!(!is_down(&calls), "counted from its last answer on");
        }
    }
}
