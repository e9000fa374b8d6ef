//! Timestamp identifiers: <https://atproto.com/specs/tid>.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{SyntaxError, require};

/// Characters of a TID.
pub const TID_BYTES: usize = 13;

const CLOCK_ID_BITS: u32 = 10;
const CLOCK_ID_MASK: u64 = (1 << CLOCK_ID_BITS) - 1;
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// A TID: 53 bits of microseconds since 1970 and 10 bits that tell writers apart. Its text sorts like its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u64);

impl Tid {
    /// A TID of a time in µs since 1970 (the low 53 bits are used) and a clock id (the low 10 bits).
    pub fn from_parts(micros: u64, clock_id: u16) -> Self {
        Self((micros << CLOCK_ID_BITS & u64::MAX >> 1) | u64::from(clock_id) & CLOCK_ID_MASK)
    }

    /// The TID of a number. Those made by [`from_parts`](Self::from_parts) have the highest bit clear, but the syntax
    /// allows it to be set.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The time in µs since 1970.
    pub fn micros(self) -> u64 {
        self.0 >> CLOCK_ID_BITS
    }

    /// The clock id, 0 to 1023.
    pub fn clock_id(self) -> u16 {
        (self.0 & CLOCK_ID_MASK) as u16
    }
}

impl FromStr for Tid {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        require(text.len() == TID_BYTES, "TID", "must be 13 characters")?;
        let mut number: u64 = 0;
        for byte in text.bytes() {
            let digit = match byte {
                b'2'..=b'7' => byte - b'2',
                b'a'..=b'z' => byte - b'a' + 6,
                _ => return Err(SyntaxError::new("TID", "only the characters 2-7 and a-z are allowed")),
            };
            // 13 digits are 65 bits: the highest must be zero.
            require(number >> 59 == 0, "TID", "must not start with a character beyond \"j\"")?;
            number = number << 5 | u64::from(digit);
        }
        Ok(Self(number))
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TID_BYTES];
        for (i, char) in text.iter_mut().rev().enumerate() {
            *char = ALPHABET[(self.0 >> (5 * i) & 0x1f) as usize];
        }
        formatter.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tid({self})")
    }
}

impl Serialize for Tid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
