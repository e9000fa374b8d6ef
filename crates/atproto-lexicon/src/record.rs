//! Records: `$type`, record key, and what is in them.

use std::fmt;

use atproto_data::{Map, Nsid, RecordKey, Tid, Value};

use crate::catalogue::Catalogue;
use crate::document::KeyType;
use crate::format::Format;
use crate::issue::{Issue, Path, QuotedStart, Shown};

/// How a write asks for validation: its `validate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Absent: validate if there is a schema.
    #[default]
    IfKnown,
    /// `true`: refuse what has no schema.
    Required,
    /// `false`: do not look.
    Skipped,
}

impl From<Option<bool>> for Validation {
    fn from(validate: Option<bool>) -> Self {
        match validate {
            None => Self::IfKnown,
            Some(true) => Self::Required,
            Some(false) => Self::Skipped,
        }
    }
}

/// What is known of a record that was not refused: the `validationStatus` of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It follows its schema.
    Valid,
    /// There is no schema for it.
    Unknown,
}

impl Validity {
    /// `valid` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a record is refused, in the words of the reference implementation, which calls them all `InvalidRequest`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordInvalid {
    /// `$type` names another collection.
    #[error("Invalid $type: expected {expected}, got {got}")]
    WrongType {
        /// The collection.
        expected: Nsid,
        /// The record's `$type`.
        got: String,
    },
    /// Validation is required and there is no schema.
    #[error("Unknown lexicon type: {0}")]
    UnknownType(Nsid),
    /// The collection does not allow such record keys.
    #[error("Invalid record key for {collection}: {issue}")]
    Key {
        /// The collection.
        collection: Nsid,
        /// What is wrong.
        issue: Issue,
    },
    /// The record does not follow its schema.
    #[error("Invalid {collection} record: {issue}")]
    Record {
        /// The collection.
        collection: Nsid,
        /// What is wrong, and where.
        issue: Issue,
    },
}

/// Gives a record that has no `$type` the collection's.
///
/// # Errors
/// [`RecordInvalid::WrongType`] if it has another.
pub fn fill_type(record: &mut Map, collection: &Nsid) -> Result<(), RecordInvalid> {
    let got = match record.get("$type") {
        None => {
            record.insert("$type".to_owned(), Value::String(collection.to_string()));
            return Ok(());
        }
        Some(Value::String(kind)) if kind == collection.as_str() => return Ok(()),
        Some(Value::String(kind)) => kind.clone(),
        Some(other) => Shown(other).to_string(),
    };
    Err(RecordInvalid::WrongType {
        expected: collection.clone(),
        got,
    })
}

impl Catalogue {
    /// Validates a record and its key as a write asks for it. `None` if it asks not to. The record has its `$type`
    /// already, see [`fill_type`]. `path` is where the request has the record, for messages: `$.record`,
    /// `format_args!("$.writes[{index}].record")`.
    pub fn validate(
        &self,
        validation: Validation,
        collection: &Nsid,
        rkey: &RecordKey,
        record: &Map,
        path: impl fmt::Display,
    ) -> Result<Option<Validity>, RecordInvalid> {
        if validation == Validation::Skipped {
            return Ok(None);
        }
        match self.validate_record(collection, rkey, record, path)? {
            Validity::Unknown if validation == Validation::Required => {
                Err(RecordInvalid::UnknownType(collection.clone()))
            }
            validity => Ok(Some(validity)),
        }
    }

    /// Validates a record and its key if the collection has a schema. See [`validate`](Self::validate).
    pub fn validate_record(
        &self,
        collection: &Nsid,
        rkey: &RecordKey,
        record: &Map,
        path: impl fmt::Display,
    ) -> Result<Validity, RecordInvalid> {
        let Some(schema) = self.records.get(collection) else {
            return Ok(Validity::Unknown);
        };
        schema.key.check(rkey).map_err(|issue| RecordInvalid::Key {
            collection: collection.clone(),
            issue,
        })?;
        self.schemas
            .check_record(collection.as_str(), &schema.properties, record, &Path::Base(&path))
            .map_err(|issue| RecordInvalid::Record {
                collection: collection.clone(),
                issue,
            })?;
        Ok(Validity::Valid)
    }

    /// Validates a value by a definition that is no record, such as `app.bsky.actor.defs#preferences`. `path` is where the
    /// request has the value, for messages: `$.preferences`.
    pub fn validate_value(&self, definition: &str, value: &Value, path: impl fmt::Display) -> Result<Validity, Issue> {
        let Some(id) = self.schemas.find(definition) else {
            return Ok(Validity::Unknown);
        };
        self.schemas.check_definition(id, value, &Path::Base(&path))?;
        Ok(Validity::Valid)
    }
}

impl KeyType {
    /// Checks a record key. The path in the message is `$`: the key is looked at by itself.
    fn check(&self, rkey: &RecordKey) -> Result<(), Issue> {
        let (text, path) = (rkey.as_str(), Path::Base(&"$"));
        let got = QuotedStart(text);
        let invalid = |format: Format| Issue::new(format_args!("Invalid {} (got {got})", format.name()), &path);
        match self {
            Self::Tid if text.parse::<Tid>().is_err() => Err(invalid(Format::Tid)),
            Self::Nsid if text.parse::<Nsid>().is_err() => Err(invalid(Format::Nsid)),
            Self::Literal(key) if key != rkey => Err(Issue::expected_one_of(&[QuotedStart(key.as_str())], &got, &path)),
            _ => Ok(()),
        }
    }
}
