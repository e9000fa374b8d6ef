//! Reading canonical DAG-CBOR item by item, borrowing from the input.

use std::cmp::Ordering;

use super::CborError;
use crate::Cid;
use crate::value::{MAX_CONTAINER, MAX_DEPTH, MAX_INTEGER, MAX_KEY_BYTES, key_order};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const STRING: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const TAG_CID: u64 = 42;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Reads fixed shapes such as commits and MST nodes, as strictly as [`decode`](super::decode) does. The order and the
/// uniqueness of a map's keys follow from the caller expecting them in key order. Lengths are checked against the bytes
/// that are left, so a caller may reserve memory by them.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    input: &'a [u8],
    position: usize,
}

/// One item; of a container only its head, the entries follow.
pub(crate) enum Item<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    String(&'a str),
    Bytes(&'a [u8]),
    Link(Cid),
    Array(usize),
    Map(usize),
}

impl<'a> Decoder<'a> {
    /// Reads from the beginning of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// Starts a map and returns its number of entries.
    pub fn map(&mut self) -> Result<usize, CborError> {
        let len = self.head_of(MAP, "a map")?;
        self.container(len, 2)
    }

    /// Starts an array and returns its number of items.
    pub fn array(&mut self) -> Result<usize, CborError> {
        let len = self.head_of(ARRAY, "an array")?;
        self.container(len, 1)
    }

    /// Reads text, or a map key.
    pub fn string(&mut self) -> Result<&'a str, CborError> {
        let len = self.head_of(STRING, "text")?;
        self.text(len)
    }

    /// Reads a byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let len = self.head_of(BYTES, "bytes")?;
        self.take(len)
    }

    /// Reads an integer within ±(2^53 − 1).
    pub fn integer(&mut self) -> Result<i64, CborError> {
        match self.head()? {
            (UNSIGNED, argument) => non_negative(argument),
            (NEGATIVE, argument) => negative(argument),
            _ => Err(CborError::Expected("an integer")),
        }
    }

    /// Reads an integer from 0 to 2^64 − 1.
    pub fn unsigned(&mut self) -> Result<u64, CborError> {
        self.head_of(UNSIGNED, "an unsigned integer")
    }

    /// Reads a link.
    pub fn link(&mut self) -> Result<Cid, CborError> {
        let tag = self.head_of(TAG, "a link")?;
        self.tagged(tag)
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, CborError> {
        let truth = match self.peek()? {
            FALSE => false,
            TRUE => true,
            _ => return Err(CborError::Expected("a boolean")),
        };
        self.position += 1;
        Ok(truth)
    }

    /// Reads `null`.
    pub fn null(&mut self) -> Result<(), CborError> {
        if self.peek()? != NULL {
            return Err(CborError::Expected("null"));
        }
        self.position += 1;
        Ok(())
    }

    /// Whether `null` comes next.
    pub fn peek_null(&self) -> bool {
        self.peek() == Ok(NULL)
    }

    /// Reads `null` as `None`, anything else with `read`.
    pub fn null_or<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, CborError>) -> Result<Option<T>, CborError> {
        if self.peek_null() {
            self.position += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What is still to be read.
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.position..).unwrap_or_default()
    }

    /// Whether everything has been read.
    pub fn is_at_end(&self) -> bool {
        self.position == self.input.len()
    }

    /// Errs unless everything has been read.
    pub fn finish(&self) -> Result<(), CborError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(CborError::TrailingBytes)
        }
    }

    /// Reads one value of any type and depth up to [`MAX_DEPTH`], checks it like [`decode`](super::decode) and drops it.
    pub fn skip_value(&mut self) -> Result<(), CborError> {
        self.skip_nested(MAX_DEPTH)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), CborError> {
        match self.item()? {
            Item::Array(len) => {
                let depth = depth.checked_sub(1).ok_or(CborError::Depth)?;
                for _ in 0..len {
                    self.skip_nested(depth)?;
                }
            }
            Item::Map(len) => {
                let depth = depth.checked_sub(1).ok_or(CborError::Depth)?;
                let mut previous = None;
                for _ in 0..len {
                    previous = Some(self.key(previous)?);
                    self.skip_nested(depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads one scalar, or the head of a container.
    pub(crate) fn item(&mut self) -> Result<Item<'a>, CborError> {
        if let simple @ 0xe0.. = self.peek()? {
            self.position += 1;
            return match simple {
                FALSE => Ok(Item::Bool(false)),
                TRUE => Ok(Item::Bool(true)),
                NULL => Ok(Item::Null),
                0xf9..=0xfb => Err(CborError::Float),
                _ => Err(CborError::Simple),
            };
        }
        let (major, argument) = self.head()?;
        Ok(match major {
            UNSIGNED => Item::Integer(non_negative(argument)?),
            NEGATIVE => Item::Integer(negative(argument)?),
            BYTES => Item::Bytes(self.take(argument)?),
            STRING => Item::String(self.text(argument)?),
            ARRAY => Item::Array(self.container(argument, 1)?),
            MAP => Item::Map(self.container(argument, 2)?),
            _ => Item::Link(self.tagged(argument)?),
        })
    }

    /// Reads a map's next key and checks that it comes after the previous one.
    pub(crate) fn key(&mut self, previous: Option<&str>) -> Result<&'a str, CborError> {
        let len = self.head_of(STRING, "a text key")?;
        if len > MAX_KEY_BYTES as u64 {
            return Err(CborError::KeyLength);
        }
        let key = self.text(len)?;
        match previous {
            Some(previous) if key_order(previous, key) != Ordering::Less => Err(CborError::KeyOrder),
            _ => Ok(key),
        }
    }

    fn peek(&self) -> Result<u8, CborError> {
        self.input.get(self.position).copied().ok_or(CborError::Truncated)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], CborError> {
        let len = usize::try_from(len).map_err(|_| CborError::Truncated)?;
        let bytes = self.rest().get(..len).ok_or(CborError::Truncated)?;
        self.position += len;
        Ok(bytes)
    }

    fn text(&mut self, len: u64) -> Result<&'a str, CborError> {
        std::str::from_utf8(self.take(len)?).map_err(|_| CborError::Utf8)
    }

    /// Checks a container's number of entries against what is left, each entry being at least `entry_bytes` long.
    fn container(&self, len: u64, entry_bytes: usize) -> Result<usize, CborError> {
        let len = usize::try_from(len).map_err(|_| CborError::ContainerSize)?;
        if len > MAX_CONTAINER {
            return Err(CborError::ContainerSize);
        }
        if len * entry_bytes > self.input.len() - self.position {
            return Err(CborError::Truncated);
        }
        Ok(len)
    }

    /// Reads what a tag applies to, which must be a CID.
    fn tagged(&mut self, tag: u64) -> Result<Cid, CborError> {
        if tag != TAG_CID {
            return Err(CborError::Tag);
        }
        let (BYTES, len) = self.head()? else {
            return Err(CborError::Link);
        };
        match self.take(len)? {
            [0x00, cid @ ..] => Cid::from_bytes(cid).map_err(|_| CborError::Link),
            _ => Err(CborError::Link),
        }
    }

    fn head_of(&mut self, expected: u8, name: &'static str) -> Result<u64, CborError> {
        let (major, argument) = self.head()?;
        if major == expected {
            Ok(argument)
        } else {
            Err(CborError::Expected(name))
        }
    }

    /// Reads a major type and its argument, which must be in the shortest form (RFC 8949 section 3).
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = self.peek()?;
        self.position += 1;
        let (argument, least) = match first & 0x1f {
            short @ 0..=23 => (u64::from(short), 0),
            24 => (self.argument(1)?, 24),
            25 => (self.argument(2)?, 1 << 8),
            26 => (self.argument(4)?, 1 << 16),
            27 => (self.argument(8)?, 1 << 32),
            _ => return Err(CborError::Length),
        };
        if argument < least {
            Err(CborError::NotMinimal)
        } else {
            Ok((first >> 5, argument))
        }
    }

    fn argument(&mut self, bytes: u64) -> Result<u64, CborError> {
        Ok(self
            .take(bytes)?
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

fn non_negative(argument: u64) -> Result<i64, CborError> {
    i64::try_from(argument)
        .ok()
        .filter(|number| *number <= MAX_INTEGER)
        .ok_or(CborError::IntegerRange)
}

fn negative(argument: u64) -> Result<i64, CborError> {
    i64::try_from(argument)
        .ok()
        .map(|number| -1 - number)
        .filter(|number| *number >= -MAX_INTEGER)
        .ok_or(CborError::IntegerRange)
}
