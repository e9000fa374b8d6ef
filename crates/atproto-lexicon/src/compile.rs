//! Documents to schemas: every record, and every other definition.

use std::collections::HashMap;

use atproto_data::Nsid;

use crate::document::{
    ArrayType, BlobType, BooleanType, BytesType, Document, IntegerType, LexiconError, ObjectType, RecordBody,
    StringType, Type, UnionType,
};
use crate::schema::{
    BlobSchema, Definition, DefinitionId, Lengths, Property, RecordSchema, Scalar, Schema, Schemas, StringSchema,
    UnionSchema,
};

/// The schemas of all records of the documents by collection, and their definitions.
pub(crate) fn compile(documents: &[Document]) -> Result<(HashMap<Nsid, RecordSchema>, Schemas), LexiconError> {
    let mut compiler = Compiler::new(documents)?;
    let mut records = HashMap::new();
    for document in documents {
        for (name, definition) in &document.definitions {
            compiler.resolve(&document.id, &format!("#{name}"))?;
            if let Type::Record(record) = definition {
                let RecordBody::Object(object) = &record.record;
                let (key, properties) = (record.key.clone(), compiler.properties(&document.id, object)?);
                records.insert(document.id.clone(), RecordSchema { key, properties });
            }
        }
    }
    Ok((records, compiler.finish()?))
}

/// Whether it says what it is where it is left out. No record that is bundled requires such a property.
fn has_default(property: &Type) -> bool {
    matches!(property, Type::Boolean(BooleanType { default: Some(_), .. }))
}

/// A definition as it is written, and whose document it is in.
#[derive(Clone, Copy)]
struct Source<'a> {
    document: &'a Nsid,
    definition: &'a Type,
}

struct Compiler<'a> {
    sources: HashMap<String, Source<'a>>,
    ids: HashMap<String, DefinitionId>,
    /// Names of the definitions that have an id, in the order of the ids. Those that have no schema yet are at the end.
    names: Vec<String>,
}

impl<'a> Compiler<'a> {
    fn new(documents: &'a [Document]) -> Result<Self, LexiconError> {
        let mut sources = HashMap::new();
        for Document { id, definitions } in documents {
            for (name, definition) in definitions {
                let source = Source {
                    document: id,
                    definition,
                };
                if sources.insert(full_name(id, name), source).is_some() {
                    return Err(LexiconError::Duplicate { id: id.clone() });
                }
            }
        }
        Ok(Self {
            sources,
            ids: HashMap::new(),
            names: Vec::new(),
        })
    }

    /// The id of what a document refers to as `#name`, `nsid` or `nsid#name`.
    fn resolve(&mut self, document: &Nsid, reference: &str) -> Result<DefinitionId, LexiconError> {
        let name = match reference.split_once('#') {
            Some(("", name)) => full_name(document, name),
            Some((id, "main")) => id.to_owned(),
            _ => reference.to_owned(),
        };
        if let Some(id) = self.ids.get(&name) {
            return Ok(*id);
        }
        if !self.sources.contains_key(&name) {
            return Err(LexiconError::UnknownReference { name });
        }
        let id = DefinitionId(self.names.len());
        self.names.push(name.clone());
        self.ids.insert(name, id);
        Ok(id)
    }

    /// The schemas of all definitions that were resolved, and of those they refer to.
    fn finish(mut self) -> Result<Schemas, LexiconError> {
        let mut definitions = Vec::new();
        while let Some(name) = self.names.get(definitions.len()).cloned() {
            let Some(source) = self.sources.get(&name).copied() else {
                return Err(LexiconError::UnknownReference { name });
            };
            let schema = self.definition(source)?;
            definitions.push(Definition {
                name: name.into(),
                schema,
            });
        }
        Ok(Schemas(definitions))
    }

    fn definition(&mut self, Source { document, definition }: Source<'_>) -> Result<Schema, LexiconError> {
        match definition {
            Type::Record(record) => {
                let RecordBody::Object(object) = &record.record;
                self.properties(document, object).map(Schema::Record)
            }
            Type::Object(object) => self.properties(document, object).map(Schema::TypedObject),
            _ => self.field(document, definition),
        }
    }

    fn field(&mut self, document: &Nsid, field: &Type) -> Result<Schema, LexiconError> {
        Ok(match field {
            Type::Object(object) => Schema::Object(self.properties(document, object)?),
            Type::Array(ArrayType {
                items,
                min_length,
                max_length,
            }) => {
                let lengths = Lengths::new(*min_length, *max_length);
                Schema::Array(Box::new(self.field(document, items)?), lengths)
            }
            Type::Ref(reference) => Schema::Ref(self.resolve(document, &reference.target)?),
            Type::Union(union) => self.union(document, union)?,
            Type::Boolean(boolean) => boolean.into(),
            Type::Integer(integer) => integer.into(),
            Type::String(string) => string.into(),
            Type::Bytes(BytesType { min_length, max_length }) => Schema::Bytes(Lengths::new(*min_length, *max_length)),
            Type::CidLink => Schema::Link,
            Type::Blob(blob) => blob.into(),
            Type::Token => Schema::Token,
            // The others cannot be fields: the document was refused if one is.
            Type::Unknown
            | Type::Record(_)
            | Type::Query
            | Type::Procedure
            | Type::Subscription
            | Type::PermissionSet => Schema::Unknown,
        })
    }

    fn properties(&mut self, document: &Nsid, object: &ObjectType) -> Result<Box<[Property]>, LexiconError> {
        let ObjectType {
            properties,
            required,
            nullable,
        } = object;
        let property = |(name, property): &(String, Type)| {
            Ok(Property {
                name: name.as_str().into(),
                required: required.contains(name) && !has_default(property),
                nullable: nullable.contains(name),
                schema: self.field(document, property)?,
            })
        };
        properties.0.iter().map(property).collect()
    }

    fn union(&mut self, document: &Nsid, union: &UnionType) -> Result<Schema, LexiconError> {
        if union.closed && union.refs.is_empty() {
            return Ok(Schema::OneOf([].into()));
        }
        let members: Result<_, _> = union.refs.iter().map(|name| self.resolve(document, name)).collect();
        Ok(Schema::Union(UnionSchema {
            members: members?,
            closed: union.closed,
        }))
    }
}

fn full_name(document: &Nsid, name: &str) -> String {
    match name {
        "main" => document.as_str().to_owned(),
        _ => format!("{document}#{name}"),
    }
}

impl From<&BooleanType> for Schema {
    fn from(boolean: &BooleanType) -> Self {
        match boolean.constant {
            Some(constant) => Self::OneOf([Scalar::Boolean(constant)].into()),
            None => Self::Boolean,
        }
    }
}

impl From<&IntegerType> for Schema {
    fn from(integer: &IntegerType) -> Self {
        let unconstrained = Self::Integer {
            minimum: integer.minimum.unwrap_or(i64::MIN),
            maximum: integer.maximum.unwrap_or(i64::MAX),
        };
        one_of(integer.constant.as_ref(), integer.values.as_deref(), |value| {
            Scalar::Integer(*value)
        })
        .unwrap_or(unconstrained)
    }
}

impl From<&StringType> for Schema {
    fn from(string: &StringType) -> Self {
        let unconstrained = || {
            Self::String(StringSchema {
                bytes: Lengths::new(string.min_length, string.max_length),
                graphemes: Lengths::new(string.min_graphemes, string.max_graphemes),
                format: string.format,
            })
        };
        let scalar = |text: &String| Scalar::String(text.as_str().into());
        one_of(string.constant.as_ref(), string.values.as_deref(), scalar).unwrap_or_else(unconstrained)
    }
}

impl From<&BlobType> for Schema {
    fn from(blob: &BlobType) -> Self {
        let accept = |types: &Vec<String>| types.iter().map(|mime_type| mime_type.as_str().into()).collect();
        Self::Blob(BlobSchema {
            accept: blob.accept.as_ref().map(accept),
            max_size: blob.max_size.unwrap_or(i64::MAX),
        })
    }
}

/// `const` and `enum` together, which allow the values that are in both.
fn one_of<T: PartialEq>(constant: Option<&T>, values: Option<&[T]>, scalar: impl Fn(&T) -> Scalar) -> Option<Schema> {
    let allowed = match (constant, values) {
        (None, None) => return None,
        (None, Some(values)) => values.iter().map(scalar).collect(),
        (Some(constant), Some(values)) if !values.contains(constant) => [].into(),
        (Some(constant), _) => [scalar(constant)].into(),
    };
    Some(Schema::OneOf(allowed))
}
