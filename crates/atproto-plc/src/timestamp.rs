//! Instants as the directory writes them: RFC 3339 in UTC with milliseconds, `2025-07-25T14:33:23.810Z`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MICROS_PER_SECOND: u64 = 1_000_000;
const MICROS_PER_MILLISECOND: u64 = 1_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// Fractional digits read at most; RFC 3339 sets no limit.
const MAX_FRACTION_DIGITS: usize = 9;

/// An instant in µs since 1970-01-01T00:00:00Z, written and read as RFC 3339 in UTC. Writing drops what is below 1 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(u64);

/// The text is not an RFC 3339 instant in UTC between the years 1970 and 9999.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a UTC time such as 2025-07-25T14:33:23.810Z")]
pub struct TimestampError;

impl Timestamp {
    /// The instant `micros` µs after 1970-01-01T00:00:00Z.
    pub fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros)
    }

    /// µs since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// The same instant without what is below 1 ms, as it comes back after being written and read.
    pub(crate) fn truncated_to_millis(self) -> Timestamp {
        Timestamp(self.0 - self.0 % MICROS_PER_MILLISECOND)
    }

    /// One millisecond later.
    pub(crate) fn next_millisecond(self) -> Timestamp {
        Timestamp(self.0.saturating_add(MICROS_PER_MILLISECOND))
    }

    /// µs from `earlier` to `self`, 0 if `earlier` is later.
    pub(crate) fn micros_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / MICROS_PER_SECOND;
        let millis = self.0 % MICROS_PER_SECOND / MICROS_PER_MILLISECOND;
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let in_day = seconds % SECONDS_PER_DAY;
        let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        parse(text).ok_or(TimestampError)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Timestamp, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> String {
        timestamp.to_string()
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, fraction_micros(fraction)?),
        None => (text, 0),
    };
    let (date, time) = whole.split_once('T')?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let in_range = year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    in_range.then(|| {
        let seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Timestamp(seconds * MICROS_PER_SECOND + fraction)
    })
}

/// Three numbers of exactly `widths` digits each.
fn fields(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *number = digits(part)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn fraction_micros(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_FRACTION_DIGITS || digits(text).is_none() {
        return None;
    }
    digits(&format!("{text:0<6}")[..6])
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year_from_march / 4 - year_from_march / 100 + year_from_march / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year_from_march * 365 + leap_days + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_instants() {
        for (text, micros) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999_000),
            ("2022-11-17T01:07:13.996Z", 1_668_647_233_996_000),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000_000),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().micros(), micros, "{text}");
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn other_precisions() {
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Timestamp(1_000_000)));
        assert_eq!("1970-01-01T00:00:00.5Z".parse(), Ok(Timestamp(500_000)));
        assert_eq!("1970-01-01T00:00:00.123456789Z".parse(), Ok(Timestamp(123_456)));
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "2025-07-25",
            "2025-07-25T14:33:23.810",
            "2025-07-25T14:33:23.810+00:00",
            "2025-07-25T14:33:23.Z",
            "2025-07-25T14:33:23.0000000000Z",
            "2025-07-25T24:00:00Z",
            "2025-07-25T23:60:00Z",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "+025-07-25T14:33:23Z",
            "2025-7-25T14:33:23Z",
            "2025-07-25-01T14:33:23Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_and_read(micros in 0..253_402_300_800_000_000_u64) {
            let timestamp = Timestamp::from_micros(micros);
            prop_assert_eq!(timestamp.to_string().parse::<Timestamp>().unwrap(), timestamp.truncated_to_millis());
        }
    }
}
