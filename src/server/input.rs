//! A JSON object from a body and the reading of its fields, with the reference's messages.

mod surrogates;

use std::ops::RangeInclusive;

use atproto_data::json::JsonError;
use atproto_data::{Map, Value};

use super::error::XrpcError;
use super::format::{self, Format, preview};

/// UTF-8's byte order mark, which JSON must not begin with ([RFC 8259 §8.1](https://www.rfc-editor.org/rfc/rfc8259#section-8.1)).
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An object of a JSON body: the whole (`$`), or one inside it. Unknown fields are ignored. Absent and null differ: null is a value of
/// the wrong type, unless the handler asks with [`Input::get`].
#[derive(Clone, Debug)]
pub struct Input {
    map: Map,
    path: String,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            map: Map::new(),
            path: "$".to_owned(),
        }
    }
}

impl Input {
    /// Reads a JSON body. Its size has been bounded before.
    ///
    /// # Errors
    /// 400 `SyntaxError` for what is not JSON; 400 `InvalidRequest` for what is not UTF-8, begins with a byte order mark, has no place
    /// in the data model (such as floats, duplicate keys or a nesting too deep) or is not an object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, XrpcError> {
        if body.starts_with(BYTE_ORDER_MARK) || std::str::from_utf8(body).is_err() {
            return Err(XrpcError::invalid_request(
                "The body must be JSON in UTF-8 without a byte order mark",
            ));
        }
        match read(body) {
            Ok(Value::Map(map)) => Ok(Self { map, ..Self::default() }),
            Ok(other) => Err(wrong_type("object", &other, "$")),
            Err(JsonError::Data(message)) => Err(XrpcError::invalid_request(message)),
            Err(JsonError::Syntax(_)) if ends_early(body) => {
                Err(XrpcError::bad_request("SyntaxError", "Unexpected end of JSON input"))
            }
            Err(JsonError::Syntax(message)) => Err(XrpcError::bad_request(
                "SyntaxError",
                format!("Malformed JSON: {message}"),
            )),
        }
    }

    /// Whatever is there, null included.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    /// Takes whatever is there out of the object, null included.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// The object itself.
    pub fn as_map(&self) -> &Map {
        &self.map
    }

    /// The object itself, owned.
    pub fn into_map(self) -> Map {
        self.map
    }

    /// A text that must be there.
    pub fn required_str(&self, name: &str) -> Result<&str, XrpcError> {
        self.optional_str(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text that may be there.
    pub fn optional_str(&self, name: &str) -> Result<Option<&str>, XrpcError> {
        self.read(name, "string", Value::as_str)
    }

    /// A string of a format, which must be there.
    pub fn required<T: Format>(&self, name: &str) -> Result<T, XrpcError> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// A string of a format, which may be there.
    pub fn optional<T: Format>(&self, name: &str) -> Result<Option<T>, XrpcError> {
        let text = self.optional_str(name)?;
        text.map(|text| format::parse(text).map_err(|message| self.refused(&message, name)))
            .transpose()
    }

    /// An integer that must be there.
    pub fn required_integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<i64, XrpcError> {
        self.optional_integer(name, range)?.ok_or_else(|| self.missing(name))
    }

    /// An integer that may be there.
    pub fn optional_integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, XrpcError> {
        let integer = self.read(name, "integer", Value::as_integer)?;
        match integer {
            Some(got) if got < *range.start() => Err(self.refused(
                &format!("integer too small (minimum {}, got {got})", range.start()),
                name,
            )),
            Some(got) if got > *range.end() => {
                Err(self.refused(&format!("integer too big (maximum {}, got {got})", range.end()), name))
            }
            other => Ok(other),
        }
    }

    /// A boolean that may be there.
    pub fn optional_flag(&self, name: &str) -> Result<Option<bool>, XrpcError> {
        self.read(name, "boolean", Value::as_bool)
    }

    /// A boolean, false where there is none.
    pub fn flag(&self, name: &str) -> Result<bool, XrpcError> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    /// Takes an object that must be there, such as `record`, out of this one.
    pub fn take_required_object(&mut self, name: &str) -> Result<Self, XrpcError> {
        self.take_optional_object(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an object that may be there out of this one.
    pub fn take_optional_object(&mut self, name: &str) -> Result<Option<Self>, XrpcError> {
        let path = child(&self.path, name);
        self.map.remove(name).map(|value| Self::of(value, path)).transpose()
    }

    /// Takes an array of objects that must be there, such as `writes`, out of this one.
    pub fn take_required_objects(&mut self, name: &str) -> Result<Vec<Self>, XrpcError> {
        let path = child(&self.path, name);
        let place = |index: usize| format!("{path}[{index}]");
        let elements = self.take_required_array(name)?;
        elements
            .into_iter()
            .enumerate()
            .map(|(index, value)| Self::of(value, place(index)))
            .collect()
    }

    /// Takes an array that must be there out of this object.
    pub fn take_required_array(&mut self, name: &str) -> Result<Vec<Value>, XrpcError> {
        self.take_optional_array(name)?.ok_or_else(|| self.missing(name))
    }

    /// Takes an array that may be there out of this object.
    pub fn take_optional_array(&mut self, name: &str) -> Result<Option<Vec<Value>>, XrpcError> {
        match self.map.remove(name) {
            None => Ok(None),
            Some(Value::Array(elements)) => Ok(Some(elements)),
            Some(other) => Err(wrong_type("array", &other, &child(&self.path, name))),
        }
    }

    /// An array of strings of a format, which may be there.
    pub fn optional_all<T: Format>(&self, name: &str) -> Result<Option<Vec<T>>, XrpcError> {
        let Some(texts) = self.optional_strs(name)? else {
            return Ok(None);
        };
        let place = |index: usize| format!("{}[{index}]", child(&self.path, name));
        let parse = |(index, text): (usize, &str)| {
            format::parse(text).map_err(|message| XrpcError::invalid_request(format!("{message} at {}", place(index))))
        };
        texts
            .into_iter()
            .enumerate()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An array of strings of a format, which must be there.
    pub fn required_all<T: Format>(&self, name: &str) -> Result<Vec<T>, XrpcError> {
        self.optional_all(name)?.ok_or_else(|| self.missing(name))
    }

    /// An array of texts that may be there.
    pub fn optional_strs(&self, name: &str) -> Result<Option<Vec<&str>>, XrpcError> {
        let Some(elements) = self.read(name, "array", Value::as_array)? else {
            return Ok(None);
        };
        let place = |index: usize| format!("{}[{index}]", child(&self.path, name));
        let text = |(index, value): (usize, &'_ Value)| match value {
            Value::String(_) => Ok(()),
            other => Err(wrong_type("string", other, &place(index))),
        };
        elements.iter().enumerate().try_for_each(text)?;
        Ok(Some(elements.iter().filter_map(Value::as_str).collect()))
    }

    /// The `$type` of an object of an open union ([Lexicon](https://atproto.com/specs/lexicon#union)).
    ///
    /// # Errors
    /// 400 if it has none.
    pub fn required_type(&self) -> Result<&str, XrpcError> {
        match self.map.get("$type") {
            Some(Value::String(name)) if !name.is_empty() => Ok(name),
            _ => {
                let expected = "an object which includes the \"$type\" property";
                Err(wrong_type(expected, &Value::Map(self.map.clone()), &self.path))
            }
        }
    }

    /// The error for a field that is well-formed but refused: `message` with the field's place, as in `… at $.writes[0].rkey`.
    pub fn refused(&self, message: &str, name: &str) -> XrpcError {
        XrpcError::invalid_request(format!("{message} at {}", child(&self.path, name)))
    }

    /// The error for a field that is not there.
    pub fn missing(&self, name: &str) -> XrpcError {
        XrpcError::invalid_request(format!("Missing required key \"{name}\" at {}", self.path))
    }

    /// Where this object is in the body, such as `$.writes[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn of(value: Value, path: String) -> Result<Self, XrpcError> {
        match value {
            Value::Map(map) => Ok(Self { map, path }),
            other => Err(wrong_type("object", &other, &path)),
        }
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        as_type: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, XrpcError> {
        let Some(value) = self.map.get(name) else {
            return Ok(None);
        };
        let wrong = || wrong_type(expected, value, &child(&self.path, name));
        as_type(value).map(Some).ok_or_else(wrong)
    }
}

/// Parses JSON. Only what does not parse is looked through for halves of characters.
fn read(body: &[u8]) -> Result<Value, JsonError> {
    match atproto_data::json::from_slice(body) {
        Err(JsonError::Syntax(error)) => match surrogates::replaced(body) {
            Some(mended) => atproto_data::json::from_slice(&mended),
            None => Err(JsonError::Syntax(error)),
        },
        read => read,
    }
}

/// Whether the text stops where JSON would have to go on.
fn ends_early(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

fn wrong_type(expected: &str, got: &Value, path: &str) -> XrpcError {
    XrpcError::invalid_request(format!(
        "Expected {expected} value type (got {}) at {path}",
        preview(got)
    ))
}

/// The place of a field: `.name`, or `["name"]` where it is not an identifier.
fn child(path: &str, name: &str) -> String {
    let mut bytes = name.bytes();
    let starts_well = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$');
    if starts_well && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        format!("{path}.{name}")
    } else {
        format!("{path}[{}]", format::quoted(name))
    }
}

#[cfg(test)]
mod tests;
