//! CAR version 1 (IPLD "CARv1" specification): a header that names the root, then blocks, each behind its length and CID.

mod reader;
mod varint;
mod writer;

pub use reader::{
    Block, CarError, CarReader, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, MAX_ROOTS, Section, parse_header, split_section,
};
pub use writer::{block_frame_length, write_block, write_header};
