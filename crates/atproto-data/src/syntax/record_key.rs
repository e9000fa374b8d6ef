//! Record keys: <https://atproto.com/specs/record-key>.

use super::{SyntaxError, Tid, require, text_type};

/// Longest record key in bytes.
pub const MAX_RECORD_KEY_BYTES: usize = 512;

/// The key of a record within its collection, such as `self` or a TID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(String);

impl RecordKey {
    fn check(text: &str) -> Result<(), SyntaxError> {
        require(
            (1..=MAX_RECORD_KEY_BYTES).contains(&text.len()),
            "record key",
            "must be 1 to 512 bytes",
        )?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_~.:-".contains(&byte);
        require(
            text.bytes().all(allowed),
            "record key",
            "only letters, digits and the characters _~.:- are allowed",
        )?;
        require(text != "." && text != "..", "record key", "must not be \".\" or \"..\"")
    }
}

text_type!(RecordKey);

impl From<Tid> for RecordKey {
    fn from(tid: Tid) -> Self {
        Self(tid.to_string())
    }
}
