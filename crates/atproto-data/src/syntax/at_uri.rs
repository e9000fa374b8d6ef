//! AT URIs in the restricted form of lexicons: <https://atproto.com/specs/at-uri-scheme>.

use std::str::FromStr;

use super::{AtIdentifier, Nsid, RecordKey, SyntaxError, require, text_traits};

/// Longest AT URI in bytes.
pub const MAX_AT_URI_BYTES: usize = 8192;

/// An AT URI of a repo, a collection or a record, such as `at://did:plc:…/app.bsky.feed.post/3jzfcijpj2z2a`.
/// A handle in it is in lower case, whatever it was parsed from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AtUri {
    text: String,
    authority: AtIdentifier,
    path: Option<(Nsid, Option<RecordKey>)>,
}

impl AtUri {
    /// The URI of a record.
    pub fn of_record(authority: AtIdentifier, collection: Nsid, rkey: RecordKey) -> Self {
        let text = format!("at://{authority}/{collection}/{rkey}");
        Self {
            text,
            authority,
            path: Some((collection, Some(rkey))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose repo.
    pub fn authority(&self) -> &AtIdentifier {
        &self.authority
    }

    /// Which collection, if the URI goes that far.
    pub fn collection(&self) -> Option<&Nsid> {
        self.path.as_ref().map(|(collection, _)| collection)
    }

    /// Which record of the collection, if the URI goes that far.
    pub fn rkey(&self) -> Option<&RecordKey> {
        self.path.as_ref().and_then(|(_, rkey)| rkey.as_ref())
    }
}

impl FromStr for AtUri {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        require(text.len() <= MAX_AT_URI_BYTES, "AT URI", "at most 8192 bytes")?;
        let rest = text
            .strip_prefix("at://")
            .ok_or(SyntaxError::new("AT URI", "must start with \"at://\""))?;
        let mut parts = rest.split('/');
        let authority: AtIdentifier = parts.next().unwrap_or_default().parse()?;
        let path = match parts.next() {
            Some(collection) => Some((collection.parse()?, parts.next().map(str::parse).transpose()?)),
            None => None,
        };
        require(parts.next().is_none(), "AT URI", "nothing may follow the record key")?;
        let mut text = text.to_owned();
        text.replace_range(
            "at://".len().."at://".len() + authority.as_str().len(),
            authority.as_str(),
        );
        Ok(Self { text, authority, path })
    }
}

impl TryFrom<String> for AtUri {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        text.parse()
    }
}

impl AsRef<str> for AtUri {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<AtUri> for String {
    fn from(uri: AtUri) -> String {
        uri.text
    }
}

text_traits!(AtUri);
