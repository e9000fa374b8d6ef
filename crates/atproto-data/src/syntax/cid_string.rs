//! CIDs as strings in records, of any hash and base: <https://atproto.com/specs/lexicon#cid>.

use super::{SyntaxError, require, text_type};

/// Longest CID string in bytes.
pub const MAX_CID_STRING_BYTES: usize = 256;

/// Shortest CID string in bytes.
const MIN_CID_STRING_BYTES: usize = 8;

/// Text that looks like a CID of version 1 in some multibase. Links of the data model are [`Cid`](crate::Cid)s; this is
/// for strings that lexicons declare to be CIDs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CidString(String);

impl CidString {
    fn check(text: &str) -> Result<(), SyntaxError> {
        let length = MIN_CID_STRING_BYTES..=MAX_CID_STRING_BYTES;
        require(length.contains(&text.len()), "CID", "must be 8 to 256 bytes")?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=".contains(&byte);
        require(
            text.bytes().all(allowed),
            "CID",
            "only letters, digits and the characters += are allowed",
        )?;
        require(!text.starts_with("Qm"), "CID", "version 0 is not supported")
    }
}

text_type!(CidString);
