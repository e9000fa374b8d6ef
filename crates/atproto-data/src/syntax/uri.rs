//! URIs of any scheme, checked no further than lexicons need: <https://atproto.com/specs/lexicon#uri>.

use super::{SyntaxError, require, text_type};

/// Longest URI in bytes.
pub const MAX_URI_BYTES: usize = 8192;

/// Longest scheme in bytes.
const MAX_SCHEME_BYTES: usize = 80;

/// A URI (RFC 3986), such as `https://example.com/` or `dns:example.com`. What follows the scheme is only checked for
/// white space and control characters; letters beyond ASCII are accepted as people post them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri(String);

impl Uri {
    fn check(text: &str) -> Result<(), SyntaxError> {
        require(text.len() <= MAX_URI_BYTES, "URI", "at most 8192 bytes")?;
        let (scheme, rest) = text
            .split_once(':')
            .ok_or(SyntaxError::new("URI", "needs a scheme and \":\""))?;
        let is_scheme = scheme.len() <= MAX_SCHEME_BYTES
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        require(
            is_scheme,
            "URI",
            "the scheme must be a letter, then letters, digits and the characters +.-",
        )?;
        require(!rest.is_empty(), "URI", "something must follow the scheme")?;
        let is_clean = !rest.contains(|char: char| char.is_whitespace() || char.is_control());
        require(is_clean, "URI", "must not contain white space or control characters")
    }
}

text_type!(Uri);
