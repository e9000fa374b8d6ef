//! Values against schemas. Where several things are wrong the first is told: properties in the order of the schema.

use std::fmt;

use atproto_data::{Map, Value};

use crate::issue::{Issue, Path, Quoted, QuotedStart, Shown};
use crate::schema::{
    BlobSchema, Definition, DefinitionId, Lengths, Property, Scalar, Schema, Schemas, StringSchema, UnionSchema,
};

impl Schemas {
    /// Checks a value against a definition. Recursion goes as deep as the value, whatever the schemas refer to: a
    /// definition is never a reference itself, so every second step descends into the value.
    pub(crate) fn check_definition(&self, id: DefinitionId, value: &Value, path: &Path<'_>) -> Result<(), Issue> {
        let Definition { name, schema } = self.get(id);
        match schema {
            Schema::TypedObject(properties) => {
                let map = as_map(value, path)?;
                match map.get("$type") {
                    Some(kind) if kind.as_str() != Some(name) => Err(other_type(name, Shown(kind), path)),
                    _ => self.check_properties(properties, map, path),
                }
            }
            Schema::Record(properties) => self.check_record(name, properties, as_map(value, path)?, path),
            Schema::Token => match value {
                Value::String(text) if **text == **name => Ok(()),
                Value::String(text) => Err(Issue::expected_one_of(&[QuotedStart(name)], QuotedStart(text), path)),
                _ => Err(Issue::expected_type("token", value, path)),
            },
            _ => self.check(schema, value, path),
        }
    }

    /// Checks a record's properties and then its `$type`.
    pub(crate) fn check_record(
        &self,
        name: &str,
        properties: &[Property],
        record: &Map,
        path: &Path<'_>,
    ) -> Result<(), Issue> {
        self.check_properties(properties, record, path)?;
        match record.get("$type") {
            Some(Value::String(kind)) if kind == name => Ok(()),
            Some(kind) => Err(other_type(name, Shown(kind), path)),
            None => Err(other_type(name, "undefined", path)),
        }
    }

    fn check(&self, schema: &Schema, value: &Value, path: &Path<'_>) -> Result<(), Issue> {
        match (schema, value) {
            (Schema::String(string), _) => check_string(string, value, path),
            (Schema::Ref(id), _) => self.check_definition(*id, value, path),
            (Schema::Union(union), _) => self.check_union(union, value, path),
            (Schema::Array(items, lengths), Value::Array(values)) => self.check_array(items, *lengths, values, path),
            (Schema::Blob(blob), _) => check_blob(blob, value, path),
            (Schema::OneOf(allowed), _) => check_one_of(allowed, value, path),
            (Schema::Integer { minimum, maximum }, Value::Integer(number)) => match number {
                _ if number < minimum => Err(Issue::too_small("integer", minimum, number, path)),
                _ if number > maximum => Err(Issue::too_big("integer", maximum, number, path)),
                _ => Ok(()),
            },
            (Schema::Bytes(lengths), Value::Bytes(bytes)) => check_lengths("bytes", *lengths, bytes.len(), path),
            (
                Schema::Object(properties) | Schema::TypedObject(properties) | Schema::Record(properties),
                Value::Map(map),
            ) => self.check_properties(properties, map, path),
            (Schema::Unknown, Value::Map(map)) if as_blob(map).is_none() => Ok(()),
            (Schema::Boolean, Value::Bool(_)) | (Schema::Link, Value::Link(_)) => Ok(()),
            _ => Err(Issue::expected_type(type_name(schema), value, path)),
        }
    }

    fn check_properties(&self, properties: &[Property], map: &Map, path: &Path<'_>) -> Result<(), Issue> {
        for property in properties {
            match map.get(&property.name) {
                None if property.required => {
                    let key = &property.name;
                    return Err(Issue::new(format_args!("Missing required key \"{key}\""), path));
                }
                None => {}
                Some(Value::Null) if property.nullable => {}
                Some(value) => self.check(&property.schema, value, &Path::Key(path, &property.name))?,
            }
        }
        Ok(())
    }

    fn check_array(&self, items: &Schema, lengths: Lengths, values: &[Value], path: &Path<'_>) -> Result<(), Issue> {
        check_lengths("array", lengths, values.len(), path)?;
        let mut indexed = values.iter().enumerate();
        indexed.try_for_each(|(index, value)| self.check(items, value, &Path::Index(path, index)))
    }

    /// A union's value says by its `$type` which member it is; an open union allows others.
    fn check_union(&self, union: &UnionSchema, value: &Value, path: &Path<'_>) -> Result<(), Issue> {
        let Some(kind) = value.as_map().and_then(|map| map.get("$type")) else {
            let expected = "an object which includes the \"$type\" property";
            return Err(Issue::expected_type(expected, value, path));
        };
        let is_member = |id: &&DefinitionId| {
            let member = self.get(**id);
            kind.as_str() == Some(&member.name) && member.is_typed()
        };
        if let Some(id) = union.members.iter().find(is_member) {
            return self.check_definition(*id, value, path);
        }
        if union.closed {
            let members = union
                .members
                .iter()
                .map(|id| self.get(*id))
                .filter(|member| member.is_typed());
            let names: Vec<_> = members.map(|member| QuotedStart(&member.name)).collect();
            return Err(Issue::expected_one_of(&names, Shown(kind), &Path::Key(path, "$type")));
        }
        match kind {
            Value::String(_) => Ok(()),
            _ => Err(Issue::expected_type("string", kind, &Path::Key(path, "$type"))),
        }
    }
}

impl Definition {
    /// Whether its values can be told by their `$type`.
    fn is_typed(&self) -> bool {
        matches!(self.schema, Schema::TypedObject(_) | Schema::Record(_))
    }
}

/// What messages call the values of a schema.
fn type_name(schema: &Schema) -> &'static str {
    match schema {
        Schema::Unknown | Schema::Object(_) | Schema::TypedObject(_) | Schema::Record(_) => "object",
        Schema::Boolean => "boolean",
        Schema::Integer { .. } => "integer",
        Schema::String(_) => "string",
        Schema::Bytes(_) => "bytes",
        Schema::Link => "cid",
        Schema::Blob(_) => "blob",
        Schema::Array(..) => "array",
        Schema::Token => "token",
        Schema::OneOf(_) | Schema::Ref(_) | Schema::Union(_) => "never",
    }
}

fn as_map<'a>(value: &'a Value, path: &Path<'_>) -> Result<&'a Map, Issue> {
    value
        .as_map()
        .ok_or_else(|| Issue::expected_type("object", value, path))
}

/// A map whose `$type` is not the definition's name.
fn other_type(name: &str, got: impl fmt::Display, path: &Path<'_>) -> Issue {
    Issue::expected_one_of(&[QuotedStart(name)], got, &Path::Key(path, "$type"))
}

fn check_lengths(measured: &str, lengths: Lengths, len: usize, path: &Path<'_>) -> Result<(), Issue> {
    match len {
        _ if len < lengths.minimum => Err(Issue::too_small(measured, lengths.minimum, len, path)),
        _ if len > lengths.maximum => Err(Issue::too_big(measured, lengths.maximum, len, path)),
        _ => Ok(()),
    }
}

fn check_string(string: &StringSchema, value: &Value, path: &Path<'_>) -> Result<(), Issue> {
    match value {
        Value::String(text) => string.check(text, path),
        // The reference implementation takes a link for its text, and only then sees that it is none.
        Value::Link(cid) => {
            let text = cid.to_string();
            string.check(&text, path)?;
            Err(Issue::expected_one_of(&[Quoted(&text)], Shown(value), path))
        }
        _ => Err(Issue::expected_type("string", value, path)),
    }
}

fn check_one_of(allowed: &[Scalar], value: &Value, path: &Path<'_>) -> Result<(), Issue> {
    let is_equal = |scalar: &Scalar| match (scalar, value) {
        (Scalar::Boolean(expected), Value::Bool(got)) => expected == got,
        (Scalar::Integer(expected), Value::Integer(got)) => expected == got,
        (Scalar::String(expected), Value::String(got)) => **expected == **got,
        _ => false,
    };
    match allowed {
        [] => Err(Issue::expected_type("never", value, path)),
        _ if allowed.iter().any(is_equal) => Ok(()),
        _ => Err(Issue::expected_one_of(allowed, Shown(value), path)),
    }
}

fn check_blob(schema: &BlobSchema, value: &Value, path: &Path<'_>) -> Result<(), Issue> {
    let Some((mime_type, size)) = value.as_map().and_then(as_blob) else {
        return Err(Issue::expected_type("blob", value, path));
    };
    if let Some(accept) = &schema.accept
        && !accept.iter().any(|accepted| accepts(accepted, mime_type))
    {
        let accepted: Vec<_> = accept.iter().map(|mime_type| QuotedStart(mime_type)).collect();
        let path = Path::Key(path, "mimeType");
        return Err(Issue::expected_one_of(&accepted, QuotedStart(mime_type), &path));
    }
    if size > schema.max_size {
        return Err(Issue::too_big("blob", schema.max_size, size, path));
    }
    Ok(())
}

/// The MIME type and size of a blob, if the map is one. That its CID is a raw one is a rule of the data model, not of
/// the lexicon.
fn as_blob(map: &Map) -> Option<(&str, i64)> {
    let is_blob = map.len() == 4 && map.get("$type")?.as_str() == Some("blob") && map.get("ref")?.as_link().is_some();
    let mime_type = map.get("mimeType")?.as_str()?;
    let size = map.get("size")?.as_integer()?;
    (is_blob && mime_type.contains('/') && size >= 0).then_some((mime_type, size))
}

fn accepts(accepted: &str, mime_type: &str) -> bool {
    match accepted.strip_suffix('*') {
        Some("*/") => true,
        Some(start) if start.ends_with('/') => mime_type.starts_with(start),
        _ => accepted == mime_type,
    }
}
