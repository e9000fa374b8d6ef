//! Writing DAG-CBOR item by item into one buffer.

use crate::Cid;

/// What precedes the 36 bytes of a CID: tag 42, a byte string of 37, and the 0x00 of "binary multibase".
const LINK_HEADER: [u8; 5] = [0xd8, 42, 0x58, 37, 0x00];

/// Codes for an argument of one, two, four and eight bytes after the first byte.
const ONE_BYTE: u8 = 0x18;
const TWO_BYTES: u8 = 0x19;
const FOUR_BYTES: u8 = 0x1a;
const EIGHT_BYTES: u8 = 0x1b;

/// Writes items in their shortest form. For fixed shapes such as commits and MST nodes the caller states the number of
/// entries of a map first and then writes keys and values in key order (shorter keys first, then byte order).
#[derive(Clone, Debug, Default)]
pub struct Encoder(Vec<u8>);

impl Encoder {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Starts a map of `len` keys, each followed by its value.
    pub fn map(&mut self, len: usize) -> &mut Self {
        self.head(5, len as u64)
    }

    /// Starts an array of `len` items.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.head(4, len as u64)
    }

    /// Writes text, or a map key.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.head(3, text.len() as u64).raw(text.as_bytes())
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes_header(bytes.len()).raw(bytes)
    }

    /// Starts a byte string whose `len` bytes follow by [`raw`](Self::raw).
    pub fn bytes_header(&mut self, len: usize) -> &mut Self {
        self.head(2, len as u64)
    }

    /// Writes an integer that is not negative.
    pub fn unsigned(&mut self, number: u64) -> &mut Self {
        self.head(0, number)
    }

    /// Writes an integer.
    pub fn integer(&mut self, number: i64) -> &mut Self {
        // Negative n is written as −1 − n, which is n with its bits inverted.
        if number < 0 {
            self.head(1, !number.cast_unsigned())
        } else {
            self.head(0, number.cast_unsigned())
        }
    }

    /// Writes a link: tag 42 around 0x00 and the CID.
    pub fn link(&mut self, cid: &Cid) -> &mut Self {
        self.raw(&LINK_HEADER).raw(cid.as_bytes())
    }

    /// Writes `true` or `false`.
    pub fn boolean(&mut self, truth: bool) -> &mut Self {
        self.raw(&[if truth { 0xf5 } else { 0xf4 }])
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.raw(&[0xf6])
    }

    /// Appends bytes as they are: items encoded elsewhere, or the content of a byte string.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes a major type with its argument in the shortest form (RFC 8949 section 3).
    fn head(&mut self, major: u8, argument: u64) -> &mut Self {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        match argument {
            0..=23 => self.raw(&[major | bytes[7]]),
            24..=0xff => self.raw(&[major | ONE_BYTE, bytes[7]]),
            0x100..=0xffff => self.raw(&[major | TWO_BYTES]).raw(&bytes[6..]),
            0x1_0000..=0xffff_ffff => self.raw(&[major | FOUR_BYTES]).raw(&bytes[4..]),
            _ => self.raw(&[major | EIGHT_BYTES]).raw(&bytes),
        }
    }
}
