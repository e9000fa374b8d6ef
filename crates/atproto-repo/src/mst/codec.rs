//! The block of a node: DAG-CBOR `{"e": [{"k": bytes, "p": int, "t": link|null, "v": link}], "l": link|null}` (repository
//! spec, "MST Structure"). Its fields are fixed and DAG-CBOR has one encoding for each value, so a block either follows the
//! template below byte by byte or is not a node.

use super::key::common_prefix_length;
use atproto_data::Cid;

/// What precedes the 36 bytes of a CID in a link: tag 42, a byte string of 37 bytes, the identity multibase.
const LINK: &[u8] = &[0xd8, 0x2a, 0x58, 0x25, 0x00];
const NULL: u8 = 0xf6;
const CID_BYTES: usize = 36;

const UNSIGNED: u8 = 0x00;
const BYTES: u8 = 0x40;
const ARRAY: u8 = 0x80;

/// What a head says instead of a number below 24: how many bytes the number behind it takes.
const ONE_BYTE: u8 = 0x18;
const TWO_BYTES: u8 = 0x19;
const EIGHT_BYTES: u8 = 0x1b;

/// A block is not the encoding of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The offset of the first byte that does not fit.
    pub(crate) at: usize,
}

/// An entry as the block holds it.
pub(crate) struct RawEntry<'a> {
    /// How many leading bytes the key shares with the entry before.
    pub(crate) prefix: usize,
    /// The rest of the key.
    pub(crate) suffix: &'a [u8],
    /// The CID of the subtree after this entry.
    pub(crate) subtree: Option<&'a [u8]>,
    /// The record's CID.
    pub(crate) value: &'a [u8],
}

/// Writes a node's block to the end of `out`. `entries` are sorted full keys and values; `child` gives the CID of the subtree
/// before entry 0 (the left one) as child 0, of the one after entry n as child n + 1.
pub(crate) fn encode<'entries, 'children>(
    out: &mut Vec<u8>,
    entries: impl ExactSizeIterator<Item = (&'entries [u8], &'entries Cid)>,
    child: impl Fn(usize) -> Option<&'children Cid>,
) {
    out.extend_from_slice(b"\xa2\x61e");
    write_head(out, ARRAY, entries.len());
    let mut previous: &[u8] = &[];
    for (index, (key, value)) in entries.enumerate() {
        let prefix = common_prefix_length(previous, key);
        out.extend_from_slice(b"\xa4\x61k");
        write_head(out, BYTES, key.len() - prefix);
        out.extend_from_slice(&key[prefix..]);
        out.extend_from_slice(b"\x61p");
        write_head(out, UNSIGNED, prefix);
        out.extend_from_slice(b"\x61t");
        write_link(out, child(index + 1));
        out.extend_from_slice(b"\x61v");
        write_link(out, Some(value));
        previous = key;
    }
    out.extend_from_slice(b"\x61l");
    write_link(out, child(0));
}

fn write_link(out: &mut Vec<u8>, cid: Option<&Cid>) {
    match cid {
        None => out.push(NULL),
        Some(cid) => {
            out.extend_from_slice(LINK);
            out.extend_from_slice(cid.as_bytes());
        }
    }
}

/// Writes a CBOR head. Numbers here are lengths of keys and nodes, far below 2^16; the last arm keeps the function total.
fn write_head(out: &mut Vec<u8>, major: u8, number: usize) {
    match u64::try_from(number).unwrap_or(u64::MAX) {
        short @ 0..24 => out.push(major | short.to_be_bytes()[7]),
        one @ 24..0x100 => out.extend_from_slice(&[major | ONE_BYTE, one.to_be_bytes()[7]]),
        two @ 0x100..0x1_0000 => {
            out.push(major | TWO_BYTES);
            out.extend_from_slice(&two.to_be_bytes()[6..]);
        }
        more => {
            out.push(major | EIGHT_BYTES);
            out.extend_from_slice(&more.to_be_bytes());
        }
    }
}

/// Where a [`Reader`] stands in its block, to go on later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    at: usize,
    remaining: usize,
}

/// Reads the entries of a block in order, then its left link. Checks the encoding only: not the order of keys, not that
/// prefixes are maximal.
pub(crate) struct Reader<'a> {
    block: &'a [u8],
    position: Position,
}

impl<'a> Reader<'a> {
    /// Starts at the first entry.
    pub(crate) fn new(block: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader {
            block,
            position: Position { at: 0, remaining: 0 },
        };
        reader.expect(b"\xa2\x61e")?;
        reader.position.remaining = reader.head(ARRAY)?;
        Ok(reader)
    }

    /// Goes on where a reader of the same block stood.
    pub(crate) fn resume(block: &'a [u8], position: Position) -> Self {
        Reader { block, position }
    }

    /// Where the reader stands.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// How many entries are left.
    pub(crate) fn remaining(&self) -> usize {
        self.position.remaining
    }

    /// The next entry, `None` after the last.
    pub(crate) fn next_entry(&mut self) -> Result<Option<RawEntry<'a>>, Malformed> {
        let Some(remaining) = self.position.remaining.checked_sub(1) else {
            return Ok(None);
        };
        self.expect(b"\xa4\x61k")?;
        let length = self.head(BYTES)?;
        let suffix = self.take(length)?;
        self.expect(b"\x61p")?;
        let prefix = self.head(UNSIGNED)?;
        self.expect(b"\x61t")?;
        let subtree = self.link_or_null()?;
        self.expect(b"\x61v")?;
        let value = self.link()?;
        self.position.remaining = remaining;
        Ok(Some(RawEntry {
            prefix,
            suffix,
            subtree,
            value,
        }))
    }

    /// The left link, once all entries are read; nothing may follow it.
    pub(crate) fn left(mut self) -> Result<Option<&'a [u8]>, Malformed> {
        self.expect(b"\x61l")?;
        let left = self.link_or_null()?;
        if self.position.at == self.block.len() {
            Ok(left)
        } else {
            Err(self.malformed())
        }
    }

    fn malformed(&self) -> Malformed {
        Malformed { at: self.position.at }
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if !self.block[self.position.at..].starts_with(bytes) {
            return Err(self.malformed());
        }
        self.position.at += bytes.len();
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.block[self.position.at..].get(..length).ok_or(self.malformed())?;
        self.position.at += length;
        Ok(taken)
    }

    fn link_or_null(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        if self.block.get(self.position.at) == Some(&NULL) {
            self.position.at += 1;
            return Ok(None);
        }
        self.link().map(Some)
    }

    fn link(&mut self) -> Result<&'a [u8], Malformed> {
        self.expect(LINK)?;
        self.take(CID_BYTES)
    }

    /// A head of the given major type in its shortest form, of at most 2 further bytes.
    fn head(&mut self, major: u8) -> Result<usize, Malformed> {
        let malformed = self.malformed();
        let initial = self.take(1)?[0] ^ major;
        let (number, least) = match initial {
            0..ONE_BYTE => (usize::from(initial), 0),
            ONE_BYTE => (usize::from(self.take(1)?[0]), usize::from(ONE_BYTE)),
            TWO_BYTES => {
                let bytes = self.take(2)?;
                (usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), 0x100)
            }
            _ => return Err(malformed),
        };
        if number < least { Err(malformed) } else { Ok(number) }
    }
}
