//! Schemas ready for validation: references are indices, what cannot matter to a value is gone.

use crate::document::KeyType;
use crate::format::Format;

/// Where a definition is in [`Schemas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DefinitionId(pub(crate) usize);

/// The definitions that records consist of or refer to.
#[derive(Debug, Default)]
pub(crate) struct Schemas(pub(crate) Vec<Definition>);

impl Schemas {
    pub(crate) fn get(&self, id: DefinitionId) -> &Definition {
        &self.0[id.0]
    }

    pub(crate) fn find(&self, name: &str) -> Option<DefinitionId> {
        self.0
            .iter()
            .position(|definition| *definition.name == *name)
            .map(DefinitionId)
    }
}

/// A schema with a name. One that is an object or a record has the name as its `$type`.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The full name: `app.bsky.feed.post`, `app.bsky.feed.post#replyRef`.
    pub(crate) name: Box<str>,
    pub(crate) schema: Schema,
}

/// The schema of a collection's records.
#[derive(Debug)]
pub(crate) struct RecordSchema {
    pub(crate) key: KeyType,
    pub(crate) properties: Box<[Property]>,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Schema {
    /// Any map but a blob.
    Unknown,
    Boolean,
    Integer {
        minimum: i64,
        maximum: i64,
    },
    String(StringSchema),
    Bytes(Lengths),
    Link,
    Blob(BlobSchema),
    Array(Box<Schema>, Lengths),
    /// A map that is not named: `$type` is not looked at.
    Object(Box<[Property]>),
    /// A map of a definition: its `$type` is the definition's name or absent.
    TypedObject(Box<[Property]>),
    /// A map whose `$type` is the definition's name.
    Record(Box<[Property]>),
    /// The definition's own name as a string.
    Token,
    /// `const` and `enum`: one of these. None: no value at all.
    OneOf(Box<[Scalar]>),
    Ref(DefinitionId),
    Union(UnionSchema),
}

/// A value that `const` and `enum` can name, or that a message can.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Boolean(bool),
    Integer(i64),
    String(Box<str>),
}

/// A property of an object.
#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: Box<str>,
    pub(crate) required: bool,
    pub(crate) nullable: bool,
    pub(crate) schema: Schema,
}

/// How many bytes or items are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) minimum: usize,
    pub(crate) maximum: usize,
}

impl Lengths {
    pub(crate) fn new(minimum: Option<usize>, maximum: Option<usize>) -> Self {
        Self {
            minimum: minimum.unwrap_or(0),
            maximum: maximum.unwrap_or(usize::MAX),
        }
    }
}

#[derive(Debug)]
pub(crate) struct StringSchema {
    pub(crate) bytes: Lengths,
    pub(crate) graphemes: Lengths,
    pub(crate) format: Option<Format>,
}

#[derive(Debug)]
pub(crate) struct BlobSchema {
    /// MIME types, or their beginnings as in `image/*`. `None`: all.
    pub(crate) accept: Option<Box<[Box<str>]>>,
    /// In bytes.
    pub(crate) max_size: i64,
}

#[derive(Debug)]
pub(crate) struct UnionSchema {
    pub(crate) members: Box<[DefinitionId]>,
    pub(crate) closed: bool,
}
