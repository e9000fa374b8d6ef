//! How often a DID may change.

use crate::history::Entry;
use crate::timestamp::Timestamp;

const HOUR_MICROS: u64 = 3_600 * 1_000_000;
const DAY_MICROS: u64 = 24 * HOUR_MICROS;
const WEEK_MICROS: u64 = 7 * DAY_MICROS;

/// Operations of one DID that a directory takes at most. The default is plc.directory's: 10, 30 and 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// In an hour.
    pub hour: usize,
    /// In a day.
    pub day: usize,
    /// In a week.
    pub week: usize,
}

impl Default for RateLimits {
    fn default() -> RateLimits {
        RateLimits {
            hour: 10,
            day: 30,
            week: 100,
        }
    }
}

/// A limit is reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many operations within last {period} (max {limit})")]
pub(super) struct RateLimitError {
    period: &'static str,
    limit: usize,
}

impl RateLimits {
    /// No limits, for tests and development.
    pub const NONE: RateLimits = RateLimits {
        hour: usize::MAX,
        day: usize::MAX,
        week: usize::MAX,
    };

    /// Whether one more operation may follow `standing` at `now`.
    pub(super) fn check<'a>(
        self,
        standing: impl Iterator<Item = &'a Entry>,
        now: Timestamp,
    ) -> Result<(), RateLimitError> {
        let ages: Vec<u64> = standing.map(|entry| now.micros_since(entry.created_at)).collect();
        for (period, micros, limit) in [
            ("week", WEEK_MICROS, self.week),
            ("day", DAY_MICROS, self.day),
            ("hour", HOUR_MICROS, self.hour),
        ] {
            if ages.iter().filter(|&&age| age < micros).count() >= limit {
                return Err(RateLimitError { period, limit });
            }
        }
        Ok(())
    }
}
