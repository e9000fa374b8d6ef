//! Reading a CAR from bytes at hand, without trusting any of them.

use super::varint::{self, Varint};
use atproto_data::Cid;
use atproto_data::cbor::Decoder;

/// The largest header read.
pub const MAX_HEADER_BYTES: usize = 1_024;

/// The most roots a header may name.
pub const MAX_ROOTS: usize = 16;

/// The largest block read: twice the largest record, and more than the largest MST node.
pub const MAX_BLOCK_BYTES: usize = 2_000_000;

const CID_BYTES: usize = size_of::<Cid>();

/// Which rule of CAR, or which limit, bytes break. After one nothing more can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarError {
    /// A length is not a canonical varint.
    #[error("a length in the CAR is not a varint in its shortest form of at most 9 bytes")]
    Varint,
    /// The bytes end within the header or a block.
    #[error("the CAR ends within its header or a block")]
    Truncated,
    /// The header says it is too long.
    #[error("the CAR's header is longer than {MAX_HEADER_BYTES} bytes")]
    HeaderTooLong,
    /// A block says it is too long.
    #[error("a block in the CAR is longer than {MAX_BLOCK_BYTES} bytes")]
    BlockTooLong,
    /// The header is not canonical DAG-CBOR `{roots, version: 1}`, or has too many roots.
    #[error("the CAR's header is not the DAG-CBOR of version 1 with a list of at most {MAX_ROOTS} roots")]
    Header,
    /// A block's CID is not one of this protocol.
    #[error("a block in the CAR has a CID other than CIDv1 with SHA-256 of DAG-CBOR or raw")]
    Cid,
    /// A block's bytes do not match its CID.
    #[error("the bytes of block {0} in the CAR do not match its hash")]
    Hash(Cid),
}

/// A block, its hash checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The CID of `bytes`.
    pub cid: Cid,
    /// The block.
    pub bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// Reads the content of a block's section: CID, then bytes that must match it.
    pub fn parse(content: &'a [u8]) -> Result<Block<'a>, CarError> {
        let (cid, bytes) = content.split_at_checked(CID_BYTES).ok_or(CarError::Cid)?;
        let cid = Cid::from_bytes(cid).map_err(|_| CarError::Cid)?;
        // The digest is what is compared; DAG-CBOR or raw makes no difference to it.
        if Cid::of_raw(bytes).digest() == cid.digest() {
            Ok(Block { cid, bytes })
        } else {
            Err(CarError::Hash(cid))
        }
    }
}

/// What stands at the start of bytes that may still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section<'a> {
    /// A section: its content without the length, and what follows.
    Complete {
        /// The header, or a block behind its CID.
        content: &'a [u8],
        /// The bytes after the section.
        rest: &'a [u8],
    },
    /// The bytes end before the section does.
    Incomplete,
}

/// Splits the first section off, for readers that get a CAR in pieces. `too_long` is the error for a section that says it is
/// longer than `limit`; that is known before its content is there.
pub fn split_section(bytes: &[u8], limit: usize, too_long: CarError) -> Result<Section<'_>, CarError> {
    let (number, length) = match varint::read(bytes) {
        Varint::Complete { number, length } => (number, length),
        Varint::Incomplete => return Ok(Section::Incomplete),
        Varint::Invalid => return Err(CarError::Varint),
    };
    let Some(number) = usize::try_from(number).ok().filter(|number| *number <= limit) else {
        return Err(too_long);
    };
    Ok(match bytes[length..].split_at_checked(number) {
        Some((content, rest)) => Section::Complete { content, rest },
        None => Section::Incomplete,
    })
}

/// Reads the blocks of a CAR in order; an iterator that ends after the first error.
#[derive(Clone, Debug)]
pub struct CarReader<'a> {
    roots: Vec<Cid>,
    rest: &'a [u8],
}

impl<'a> CarReader<'a> {
    /// Reads the header.
    pub fn new(bytes: &'a [u8]) -> Result<CarReader<'a>, CarError> {
        match split_section(bytes, MAX_HEADER_BYTES, CarError::HeaderTooLong)? {
            Section::Complete { content, rest } => Ok(CarReader {
                roots: parse_header(content)?,
                rest,
            }),
            Section::Incomplete => Err(CarError::Truncated),
        }
    }

    /// The roots the header names.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    fn read_block(&mut self) -> Result<Block<'a>, CarError> {
        match split_section(self.rest, CID_BYTES + MAX_BLOCK_BYTES, CarError::BlockTooLong)? {
            Section::Complete { content, rest } => {
                self.rest = rest;
                Block::parse(content)
            }
            Section::Incomplete => Err(CarError::Truncated),
        }
    }
}

impl<'a> Iterator for CarReader<'a> {
    type Item = Result<Block<'a>, CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let block = self.read_block();
        if block.is_err() {
            self.rest = &[];
        }
        Some(block)
    }
}

/// Reads the content of a header, the first section of a CAR: its roots.
pub fn parse_header(content: &[u8]) -> Result<Vec<Cid>, CarError> {
    read_header(&mut Decoder::new(content)).ok_or(CarError::Header)
}

fn read_header(decoder: &mut Decoder<'_>) -> Option<Vec<Cid>> {
    let roots_follow = decoder.map().ok()? == 2 && decoder.string().ok()? == "roots";
    let count = decoder
        .array()
        .ok()
        .filter(|count| roots_follow && *count <= MAX_ROOTS)?;
    let roots = (0..count).map(|_| decoder.link().ok()).collect::<Option<Vec<Cid>>>()?;
    let version_1 = decoder.string().ok()? == "version" && decoder.integer().ok()? == 1;
    (version_1 && decoder.is_at_end()).then_some(roots)
}
