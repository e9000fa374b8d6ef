//! The time, injected: nothing but [`SystemClock`] asks the operating system for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atproto_data::syntax::Datetime;
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

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that asks the operating system for the time"
)]
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

/// A time in µs since 1970 as the protocol writes it, with milliseconds: `2026-01-01T00:00:00.000Z` (RFC 3339).
pub fn rfc3339_millis(micros: i64) -> String {
    const SECONDS_PER_DAY: i64 = 86_400;
    let seconds = micros.div_euclid(1_000_000);
    let millis = micros.rem_euclid(1_000_000) / 1_000;
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_PER_DAY));
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The time that a datetime names, in µs since 1970; digits beyond microseconds are cut off.
pub fn datetime_micros(datetime: &Datetime) -> i64 {
    let text = datetime.as_str();
    // A datetime is checked text: these places hold these numbers.
    let number = |from: usize, to: usize| {
        text.get(from..to)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0_i64)
    };
    let days = days_since_1970(number(0, 4), number(5, 7), number(8, 10));
    let seconds = ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60 + number(17, 19);

    let rest = text.get(19..).unwrap_or_default();
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(zone_at);
    let digits = fraction
        .trim_start_matches('.')
        .chars()
        .chain("000000".chars())
        .take(6)
        .collect::<String>();
    let micros: i64 = digits.parse().unwrap_or(0);
    let offset_minutes = match zone.split_once(':') {
        Some((hours, minutes)) => {
            let minutes =
                hours.trim_start_matches(['+', '-']).parse().unwrap_or(0) * 60 + minutes.parse().unwrap_or(0_i64);
            if hours.starts_with('-') { -minutes } else { minutes }
        }
        None => 0,
    };
    (seconds - offset_minutes * 60) * 1_000_000 + micros
}

/// The inverse of [`civil_date`].
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day counted from 1970-01-01 in the Gregorian calendar, reckoned in years that begin in March so that the
/// leap day comes last.
fn civil_date(days: i64) -> (i64, i64, i64) {
    const DAYS_TO_1970: i64 = 719_468; // from 0000-03-01
    const DAYS_PER_ERA: i64 = 146_097; // 400 years
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
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

        /// Goes back, as a clock that is set right does.
        pub(crate) fn set_back(&self, duration: Duration) {
            self.now.fetch_sub(
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn times_as_the_protocol_writes_them() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000_000, "2000-03-01T00:00:00.000Z"),
            (fake::FakeClock::START + 1_234_567, "2026-01-01T00:00:01.234Z"),
            (1_798_761_599_999_999, "2026-12-31T23:59:59.999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339_millis(micros), text);
            assert_eq!(
                datetime_micros(&text.parse().unwrap()),
                micros.div_euclid(1_000) * 1_000
            );
        }
    }

    #[test]
    fn datetimes_in_other_spellings() {
        for (text, micros) in [
            ("2026-01-01T01:00:00+01:00", fake::FakeClock::START),
            ("2025-12-31T20:30:00-03:30", fake::FakeClock::START),
            ("2026-01-01T00:00:00.1Z", fake::FakeClock::START + 100_000),
            ("2026-01-01T00:00:00.123456789Z", fake::FakeClock::START + 123_456),
        ] {
            assert_eq!(datetime_micros(&text.parse().unwrap()), micros, "{text}");
        }
    }
}
