//! Namespaced identifiers: <https://atproto.com/specs/nsid>.

use super::{SyntaxError, is_domain_label, require, text_type};

/// Longest NSID in bytes: a domain of 253, a dot and a name of 63.
pub const MAX_NSID_BYTES: usize = 317;

/// Longest name, the last segment, in bytes.
pub const MAX_NSID_NAME_BYTES: usize = 63;

/// An NSID such as `app.bsky.feed.post`: a reversed domain, and a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nsid(String);

impl Nsid {
    /// The domain that controls this NSID, in DNS order and lower case: `feed.bsky.app` of `app.bsky.feed.post`.
    pub fn authority(&self) -> String {
        let (reversed, _) = self.0.rsplit_once('.').unwrap_or_default();
        let labels: Vec<&str> = reversed.rsplit('.').collect();
        labels.join(".").to_ascii_lowercase()
    }

    /// The last segment: `post` of `app.bsky.feed.post`.
    pub fn name(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }

    fn check(text: &str) -> Result<(), SyntaxError> {
        require(text.len() <= MAX_NSID_BYTES, "NSID", "at most 317 bytes")?;
        let (authority, name) = text.rsplit_once('.').unwrap_or_default();
        require(authority.contains('.'), "NSID", "needs at least three segments")?;
        require(
            authority.split('.').all(is_domain_label)
                && authority.starts_with(|first: char| first.is_ascii_alphabetic()),
            "NSID",
            "must start with a reversed domain",
        )?;
        let is_name = (1..=MAX_NSID_NAME_BYTES).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        require(
            is_name,
            "NSID",
            "the last segment must be 1 to 63 letters and digits, a letter first",
        )
    }
}

text_type!(Nsid);
