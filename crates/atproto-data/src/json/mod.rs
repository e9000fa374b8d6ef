//! The data model as JSON: `{"$link": …}` for links, `{"$bytes": …}` for bytes.
//!
//! Specification: <https://atproto.com/specs/data-model#json-representation>.

mod path;
mod read;
mod write;

use serde::de::DeserializeSeed;
use serde_json::error::Category;

pub use write::{to_vec, write_cbor_as_json};

use crate::Value;
use path::Path;
use read::ValueSeed;

/// Deepest nesting read from JSON: a record of [`MAX_DEPTH`](crate::value::MAX_DEPTH) and room for the envelope that an
/// XRPC call puts around it.
pub const MAX_JSON_DEPTH: usize = 40;

/// Why bytes are not JSON of the data model. The messages are meant for the client that sent them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON at all.
    #[error("{0}")]
    Syntax(String),
    /// JSON with something in it that the data model does not have; the message ends with the path, as in
    /// `at $.record.a`.
    #[error("{0}")]
    Data(String),
}

/// Reads one JSON text, which may be surrounded by white space.
///
/// # Errors
/// Beside broken JSON: numbers that are not integers within ±(2^53 − 1) (`1.0` is one), duplicate keys, malformed
/// `$link`, `$bytes` and blob objects, a `$type` that is not a non-empty string, nesting beyond [`MAX_JSON_DEPTH`].
pub fn from_slice(json: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = ValueSeed::new(&Path::Root, MAX_JSON_DEPTH).deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| describe(&error))
}

fn describe(error: &serde_json::Error) -> JsonError {
    match error.classify() {
        // The words JavaScript has for it, which clients of the reference implementation know.
        Category::Eof => JsonError::Syntax("Unexpected end of JSON input".to_owned()),
        Category::Data => {
            let message = error.to_string();
            let position = format!(" at line {} column {}", error.line(), error.column());
            JsonError::Data(message.strip_suffix(&position).unwrap_or(&message).to_owned())
        }
        Category::Syntax | Category::Io => JsonError::Syntax(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
