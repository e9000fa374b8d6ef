//! The string formats of the protocol, one type each. What is parsed once need not be checked again.
//!
//! Specifications: <https://atproto.com/specs/did>, `/handle`, `/nsid`, `/record-key`, `/tid`, `/at-uri-scheme`, and
//! <https://atproto.com/specs/lexicon#string-formats>.

mod at_identifier;
mod at_uri;
mod cid_string;
mod datetime;
mod did;
mod handle;
mod language;
mod nsid;
mod record_key;
mod tid;
mod uri;

pub use at_identifier::AtIdentifier;
pub use at_uri::{AtUri, MAX_AT_URI_BYTES};
pub use cid_string::{CidString, MAX_CID_STRING_BYTES};
pub use datetime::{Datetime, MAX_DATETIME_BYTES};
pub use did::{Did, MAX_DID_BYTES};
pub use handle::{Handle, MAX_HANDLE_BYTES};
pub use language::{Language, MAX_LANGUAGE_BYTES};
pub use nsid::{MAX_NSID_BYTES, MAX_NSID_NAME_BYTES, Nsid};
pub use record_key::{MAX_RECORD_KEY_BYTES, RecordKey};
pub use tid::{TID_BYTES, Tid};
pub use uri::{MAX_URI_BYTES, Uri};

/// Text that does not follow a string format: which format, and the rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {format}: {rule}")]
pub struct SyntaxError {
    format: &'static str,
    rule: &'static str,
}

impl SyntaxError {
    fn new(format: &'static str, rule: &'static str) -> Self {
        Self { format, rule }
    }

    /// The format's name, such as `DID` or `AT URI`.
    pub fn format(&self) -> &'static str {
        self.format
    }
}

/// `Ok` if the rule holds.
fn require(holds: bool, format: &'static str, rule: &'static str) -> Result<(), SyntaxError> {
    if holds {
        Ok(())
    } else {
        Err(SyntaxError::new(format, rule))
    }
}

/// Whether the text is a label of a host name: letters, digits and hyphens, 1 to 63, no hyphen at either end (RFC 1035
/// section 2.3.1, with leading digits as RFC 1123 allows).
fn is_domain_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The traits every text type shares. The type is a tuple struct around its `String` and has `fn check(&str)`.
macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::syntax::SyntaxError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::syntax::SyntaxError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::check(&text)?;
                Ok(Self(text))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        crate::syntax::text_traits!($name);
    };
}

/// `Display`, `Debug` and JSON from `as_str()` and `TryFrom<String>`.
macro_rules! text_traits {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .try_into()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

use {text_traits, text_type};

#[cfg(test)]
mod tests;
