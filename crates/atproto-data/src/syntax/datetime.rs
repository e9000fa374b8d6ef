//! Datetimes: the common part of RFC 3339 and ISO 8601, <https://atproto.com/specs/lexicon#datetime>.

use super::{SyntaxError, require, text_type};

/// Longest datetime in bytes.
pub const MAX_DATETIME_BYTES: usize = 64;

/// A datetime with seconds and time zone, such as `1985-04-12T23:20:50.123Z`, that exists in the calendar. The text is
/// kept as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datetime(String);

/// The parts before the fraction of a second, as numbers.
struct Fields {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
}

impl Datetime {
    fn check(text: &str) -> Result<(), SyntaxError> {
        require(text.len() <= MAX_DATETIME_BYTES, "datetime", "at most 64 bytes")?;
        let (fields, rest) = Fields::read(text.as_bytes())
            .ok_or(SyntaxError::new("datetime", "must look like 1985-04-12T23:20:50.123Z"))?;
        require(fields.exist(), "datetime", "must be a date and time that exist")?;
        let zone = skip_fraction(rest).ok_or(SyntaxError::new("datetime", "the fraction must have a digit"))?;
        let ahead = minutes_ahead(zone).ok_or(SyntaxError::new(
            "datetime",
            "must end with \"Z\" or an offset such as +01:00, not -00:00",
        ))?;
        let year_zero = fields.year == 0 && fields.month == 1 && fields.day == 1;
        let before_year_zero = year_zero && ahead > fields.hour * 60 + fields.minute;
        require(!before_year_zero, "datetime", "must not be before the year 0 in UTC")
    }
}

impl Fields {
    /// Reads `YYYY-MM-DDTHH:MM:SS` and returns what follows.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = text.split_at_checked(19)?;
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if separators.iter().any(|(index, separator)| head[*index] != *separator) {
            return None;
        }
        let fields = Self {
            year: number(&head[..4])?,
            month: number(&head[5..7])?,
            day: number(&head[8..10])?,
            hour: number(&head[11..13])?,
            minute: number(&head[14..16])?,
            second: number(&head[17..])?,
        };
        Some((fields, rest))
    }

    fn exist(&self) -> bool {
        let leap_year =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if leap_year => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        (1..=days).contains(&self.day) && self.hour < 24 && self.minute < 60 && self.second < 60
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// What follows the fraction of a second, if there is one.
fn skip_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = text.strip_prefix(b".") else {
        return Some(text);
    };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &fraction[digits..])
}

/// The minutes by which a time zone is ahead of UTC; 0 for those behind.
fn minutes_ahead(zone: &[u8]) -> Option<u32> {
    let [sign, hours @ .., b':', tens, ones] = zone else {
        return (zone == b"Z").then_some(0);
    };
    let (hours, minutes) = (number(hours).filter(|_| hours.len() == 2)?, number(&[*tens, *ones])?);
    if hours >= 24 || minutes >= 60 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' if hours + minutes > 0 => Some(0),
        _ => None,
    }
}

text_type!(Datetime);
