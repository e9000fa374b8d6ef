//! Handles: <https://atproto.com/specs/handle>.

use std::str::FromStr;

use super::{SyntaxError, is_domain_label, require, text_traits};

/// Longest handle in bytes.
pub const MAX_HANDLE_BYTES: usize = 253;

/// A handle such as `alice.example.com`, in lower case whatever it was parsed from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// The text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(text: &str) -> Result<(), SyntaxError> {
        require(text.len() <= MAX_HANDLE_BYTES, "handle", "at most 253 bytes")?;
        let Some((_, top_level)) = text.rsplit_once('.') else {
            return Err(SyntaxError::new("handle", "needs at least two labels"));
        };
        require(
            text.split('.').all(is_domain_label),
            "handle",
            "each label must be 1 to 63 letters, digits and hyphens, no hyphen at either end",
        )?;
        require(
            top_level.starts_with(|first: char| first.is_ascii_alphabetic()),
            "handle",
            "the last label must start with a letter",
        )
    }
}

impl FromStr for Handle {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Handle {
    type Error = SyntaxError;

    fn try_from(mut text: String) -> Result<Self, SyntaxError> {
        Self::check(&text)?;
        text.make_ascii_lowercase();
        Ok(Self(text))
    }
}

impl AsRef<str> for Handle {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<Handle> for String {
    fn from(handle: Handle) -> String {
        handle.0
    }
}

text_traits!(Handle);
