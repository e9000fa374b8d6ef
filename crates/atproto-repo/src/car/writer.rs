//! Writing a CAR piece by piece, to the end of a buffer.

use super::varint;
use atproto_data::Cid;
use atproto_data::cbor::Encoder;

/// Writes the header, with one root or none.
pub fn write_header(out: &mut Vec<u8>, root: Option<&Cid>) {
    let mut header = Encoder::with_capacity(64);
    header.map(2).string("roots").array(usize::from(root.is_some()));
    if let Some(root) = root {
        header.link(root);
    }
    header.string("version").integer(1);
    varint::write(out, header.as_slice().len());
    out.extend_from_slice(header.as_slice());
}

/// Writes one block behind its length and CID.
pub fn write_block(out: &mut Vec<u8>, cid: &Cid, bytes: &[u8]) {
    out.reserve(block_frame_length(bytes.len()));
    varint::write(out, cid.as_bytes().len() + bytes.len());
    out.extend_from_slice(cid.as_bytes());
    out.extend_from_slice(bytes);
}

/// How many bytes [`write_block`] writes for a block of so many bytes.
pub fn block_frame_length(block_bytes: usize) -> usize {
    let section = size_of::<Cid>() + block_bytes;
    varint::length(section) + section
}
