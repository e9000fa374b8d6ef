//! The time, injected: nothing but [`SystemClock`] asks the operating system for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;

/// A clock and the waiting that goes with it.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970.
    fn now_micros(&self) -> i64;

    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        // A clock before 1970 or after the year 290,000 is not one to work with; the sequencer keeps order even so.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use futures_util::future::BoxFuture;

    use super::Clock;

    /// A clock that stands still; sleeping moves it on at once and is written down.
    #[derive(Debug)]
    pub(crate) struct FakeClock {
        now: AtomicI64,
        slept: Mutex<Vec<Duration>>,
    }

    impl FakeClock {
        /// 2026-01-01T00:00:00Z.
        pub(crate) const START: i64 = 1_767_225_600_000_000;

        pub(crate) fn new() -> FakeClock {
            FakeClock {
                now: AtomicI64::new(Self::START),
                slept: Mutex::new(Vec::new()),
            }
        }

        pub(crate) fn advance(&self, duration: Duration) {
            self.now.fetch_add(
                i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
                Ordering::SeqCst,
            );
        }

        pub(crate) fn slept(&self) -> Vec<Duration> {
            self.slept.lock().map(|slept| slept.clone()).unwrap_or_default()
        }
    }

    impl Clock for FakeClock {
        fn now_micros(&self) -> i64 {
            self.now.load(Ordering::SeqCst)
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            self.advance(duration);
            if let Ok(mut slept) = self.slept.lock() {
                slept.push(duration);
            }
            Box::pin(std::future::ready(()))
        }
    }
}
