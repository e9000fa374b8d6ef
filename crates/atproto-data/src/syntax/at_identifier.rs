//! AT identifiers, the way a request names an account: a DID or a handle.

use std::str::FromStr;

use super::{Did, Handle, SyntaxError, text_traits};

/// A DID or a handle.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AtIdentifier {
    /// A DID, which stays with its account.
    Did(Did),
    /// A handle, which has yet to be resolved.
    Handle(Handle),
}

impl AtIdentifier {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Did(did) => did.as_str(),
            Self::Handle(handle) => handle.as_str(),
        }
    }
}

impl FromStr for AtIdentifier {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for AtIdentifier {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        // No handle contains a colon.
        if text.starts_with("did:") {
            text.try_into().map(Self::Did)
        } else {
            text.try_into().map(Self::Handle)
        }
    }
}

impl AsRef<str> for AtIdentifier {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<Did> for AtIdentifier {
    fn from(did: Did) -> Self {
        Self::Did(did)
    }
}

impl From<Handle> for AtIdentifier {
    fn from(handle: Handle) -> Self {
        Self::Handle(handle)
    }
}

text_traits!(AtIdentifier);
