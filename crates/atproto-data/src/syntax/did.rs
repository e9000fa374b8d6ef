//! Decentralised identifiers: <https://atproto.com/specs/did>.

use super::{SyntaxError, require, text_type};

/// Longest DID in bytes.
pub const MAX_DID_BYTES: usize = 2048;

/// A DID of any method, such as `did:plc:z72i7hdynmk6r22z27h6tvur`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Did(String);

impl Did {
    /// The method, such as `plc` or `web`.
    pub fn method(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    fn check(text: &str) -> Result<(), SyntaxError> {
        require(text.len() <= MAX_DID_BYTES, "DID", "at most 2048 bytes")?;
        let rest = text.strip_prefix("did:").and_then(|rest| rest.split_once(':'));
        let Some((method, identifier)) = rest else {
            return Err(SyntaxError::new("DID", "must start with \"did:\", a method and \":\""));
        };
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_lowercase());
        require(is_method, "DID", "the method must be lower-case letters")?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte);
        require(
            identifier.bytes().all(allowed),
            "DID",
            "after the method only letters, digits and the characters ._:%- are allowed",
        )?;
        let has_end = !identifier.is_empty() && !identifier.ends_with([':', '%']);
        require(has_end, "DID", "must not end with \":\" or \"%\"")
    }
}

text_type!(Did);
