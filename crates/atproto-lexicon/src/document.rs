//! Lexicon documents as they are written: <https://atproto.com/specs/lexicon#lexicon-files>.

use std::collections::BTreeSet;

use atproto_data::{Nsid, RecordKey};

use crate::format::Format;
use crate::ordered::Ordered;

/// Longest JSON text of one document in bytes; as a record it could not be longer.
pub const MAX_DOCUMENT_BYTES: usize = 1_000_000;

/// The only version of the lexicon language.
const LANGUAGE_VERSION: u8 = 1;

/// Why text is not a lexicon document, or documents do not make a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LexiconError {
    /// The text is longer than [`MAX_DOCUMENT_BYTES`].
    #[error("a lexicon document must be at most {MAX_DOCUMENT_BYTES} bytes")]
    TooLong,
    /// Not JSON, or a field is missing, of the wrong type or breaks a rule of the language.
    #[error("not a lexicon document: {0}")]
    Malformed(String),
    /// A type where the language does not allow it, such as a record that is not `main`.
    #[error("{kind} is not allowed at {place}")]
    Misplaced {
        /// The type's name in the language.
        kind: &'static str,
        /// The definition or property.
        place: String,
    },
    /// `required` or `nullable` names a property that the object does not have.
    #[error("{place} names the property {property:?} that is not defined")]
    UnknownProperty {
        /// The definition or property that is the object.
        place: String,
        /// The name without a property.
        property: String,
    },
    /// A definition that a record refers to is in none of the documents.
    #[error("{name} is referred to but not defined")]
    UnknownReference {
        /// The definition's full name.
        name: String,
    },
    /// Two documents have the same NSID.
    #[error("{id} is defined twice")]
    Duplicate {
        /// The NSID.
        id: Nsid,
    },
}

/// One lexicon document, well formed. References to other documents are followed only by a
/// [`Catalogue`](crate::Catalogue).
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) id: Nsid,
    pub(crate) definitions: Vec<(String, Type)>,
}

impl Document {
    /// Reads one document. Fields that the language does not have are ignored, as are the contents of queries,
    /// procedures, subscriptions and permission sets, which no record can refer to.
    pub fn from_json(json: &[u8]) -> Result<Self, LexiconError> {
        if json.len() > MAX_DOCUMENT_BYTES {
            return Err(LexiconError::TooLong);
        }
        let fields: Fields =
            serde_json::from_slice(json).map_err(|error| LexiconError::Malformed(error.to_string()))?;
        if fields.lexicon != LANGUAGE_VERSION {
            return Err(LexiconError::Malformed(format!(
                "\"lexicon\" must be {LANGUAGE_VERSION}"
            )));
        }
        for (name, definition) in &fields.defs.0 {
            definition.check_as_definition(name)?;
        }
        Ok(Self {
            id: fields.id,
            definitions: fields.defs.0,
        })
    }

    /// The NSID.
    pub fn id(&self) -> &Nsid {
        &self.id
    }
}

#[derive(serde::Deserialize)]
struct Fields {
    lexicon: u8,
    id: Nsid,
    defs: Ordered<Type>,
}

/// Any type of the language.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Type {
    Record(RecordType),
    Query,
    Procedure,
    Subscription,
    PermissionSet,
    Token,
    Object(ObjectType),
    Array(ArrayType),
    Boolean(BooleanType),
    Integer(IntegerType),
    String(StringType),
    Bytes(BytesType),
    CidLink,
    Blob(BlobType),
    Unknown,
    Ref(RefType),
    Union(UnionType),
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct RecordType {
    pub(crate) key: KeyType,
    pub(crate) record: RecordBody,
}

/// What a record is: nothing but an object.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum RecordBody {
    Object(ObjectType),
}

/// Which record keys a collection allows: <https://atproto.com/specs/record-key#record-key-type-tid>.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum KeyType {
    Any,
    Tid,
    Nsid,
    Literal(RecordKey),
}

impl TryFrom<String> for KeyType {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "any" => Ok(Self::Any),
            "tid" => Ok(Self::Tid),
            "nsid" => Ok(Self::Nsid),
            _ => text
                .strip_prefix("literal:")
                .and_then(|key| key.parse().ok())
                .map(Self::Literal)
                .ok_or("\"key\" must be \"any\", \"nsid\", \"tid\" or \"literal:\" and a record key"),
        }
    }
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct ObjectType {
    pub(crate) properties: Ordered<Type>,
    #[serde(default)]
    pub(crate) required: BTreeSet<String>,
    #[serde(default)]
    pub(crate) nullable: BTreeSet<String>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArrayType {
    pub(crate) items: Box<Type>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct BooleanType {
    #[serde(rename = "const")]
    pub(crate) constant: Option<bool>,
    pub(crate) default: Option<bool>,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct IntegerType {
    pub(crate) minimum: Option<i64>,
    pub(crate) maximum: Option<i64>,
    #[serde(rename = "enum")]
    pub(crate) values: Option<Vec<i64>>,
    #[serde(rename = "const")]
    pub(crate) constant: Option<i64>,
}

/// `knownValues` and `default` are left out: they do not constrain, and nothing that is required has a default but booleans.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StringType {
    pub(crate) format: Option<Format>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) min_graphemes: Option<usize>,
    pub(crate) max_graphemes: Option<usize>,
    #[serde(rename = "enum")]
    pub(crate) values: Option<Vec<String>>,
    #[serde(rename = "const")]
    pub(crate) constant: Option<String>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BytesType {
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlobType {
    pub(crate) accept: Option<Vec<String>>,
    pub(crate) max_size: Option<i64>,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct RefType {
    #[serde(rename = "ref")]
    pub(crate) target: String,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct UnionType {
    pub(crate) refs: Vec<String>,
    #[serde(default)]
    pub(crate) closed: bool,
}

impl Type {
    /// The type's name in the language.
    fn kind(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::Query => "query",
            Self::Procedure => "procedure",
            Self::Subscription => "subscription",
            Self::PermissionSet => "permission-set",
            Self::Token => "token",
            Self::Object(_) => "object",
            Self::Array(_) => "array",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::CidLink => "cid-link",
            Self::Blob(_) => "blob",
            Self::Unknown => "unknown",
            Self::Ref(_) => "ref",
            Self::Union(_) => "union",
        }
    }

    fn misplaced(&self, place: &str) -> LexiconError {
        LexiconError::Misplaced {
            kind: self.kind(),
            place: place.to_owned(),
        }
    }

    /// Checks what a document defines under a name.
    fn check_as_definition(&self, name: &str) -> Result<(), LexiconError> {
        match self {
            Self::Record(record) if name == "main" => {
                let RecordBody::Object(object) = &record.record;
                object.check(name)
            }
            Self::Query | Self::Procedure | Self::Subscription | Self::PermissionSet if name == "main" => Ok(()),
            Self::Token => Ok(()),
            Self::Unknown | Self::Ref(_) | Self::Union(_) => Err(self.misplaced(name)),
            _ => self.check_as_field(name),
        }
    }

    /// Checks a property of an object or the items of an array.
    fn check_as_field(&self, name: &str) -> Result<(), LexiconError> {
        match self {
            Self::Record(_)
            | Self::Query
            | Self::Procedure
            | Self::Subscription
            | Self::PermissionSet
            | Self::Token => Err(self.misplaced(name)),
            Self::Object(object) => object.check(name),
            Self::Array(array) => array.items.check_as_field(name),
            _ => Ok(()),
        }
    }
}

impl ObjectType {
    fn check(&self, place: &str) -> Result<(), LexiconError> {
        let is_defined = |name: &str| self.properties.0.iter().any(|(property, _)| property == name);
        if let Some(unknown) = self.required.union(&self.nullable).find(|name| !is_defined(name)) {
            return Err(LexiconError::UnknownProperty {
                place: place.to_owned(),
                property: unknown.clone(),
            });
        }
        self.properties
            .0
            .iter()
            .try_for_each(|(name, property)| property.check_as_field(name))
    }
}
