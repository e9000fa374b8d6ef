//! The string formats of Lexicon as inputs and parameters name them, and how a refused value is shown in an error message.

use std::fmt::Write;
use std::str::FromStr;

use atproto_data::syntax::{CidString, Datetime, Language, Uri};
use atproto_data::{AtIdentifier, AtUri, Cid, Did, Handle, Nsid, RecordKey, Tid, Value};

/// A string format of [Lexicon](https://atproto.com/specs/lexicon#string-formats), as error messages name it.
pub trait Format: FromStr {
    /// The format in the reference's words: `Invalid <DESCRIPTION> (got "…")`.
    const DESCRIPTION: &'static str;
    /// The greatest length in bytes that the method's schema names, where going beyond it has an error message of its own.
    const MAX_LENGTH: Option<usize> = None;
}

macro_rules! formats {
    ($($type:ty = $description:literal),* $(,)?) => {
        $(impl Format for $type {
            const DESCRIPTION: &'static str = $description;
        })*
    };
}

formats! {
    AtIdentifier = "AT identifier",
    AtUri = "at-uri",
    Cid = "CID string",
    CidString = "CID string",
    Datetime = "datetime",
    Did = "DID",
    Handle = "handle",
    Language = "language",
    Nsid = "NSID",
    Tid = "TID string",
    Uri = "uri",
}

impl Format for RecordKey {
    const DESCRIPTION: &'static str = "record key";
    const MAX_LENGTH: Option<usize> = Some(512);
}

/// Strings are shown up to this many characters.
const PREVIEW_CHARACTERS: usize = 256;
/// So many elements of an array or an object are shown.
const PREVIEW_ELEMENTS: usize = 2;
/// Arrays are shown down to this depth.
const PREVIEW_DEPTH: usize = 3;

/// Parses a string of a format. The error is the message without the place.
pub(super) fn parse<T: Format>(text: &str) -> Result<T, String> {
    if let Some(maximum) = T::MAX_LENGTH.filter(|maximum| text.len() > *maximum) {
        return Err(format!("string too big (maximum {maximum}, got {})", text.len()));
    }
    text.parse()
        .map_err(|_| format!("Invalid {} (got {})", T::DESCRIPTION, quoted(text)))
}

/// A value as error messages show it: short, and never the inside of objects.
pub(super) fn preview(value: &Value) -> String {
    let mut shown = String::new();
    write_preview(value, PREVIEW_DEPTH, &mut shown);
    shown
}

/// A string in quotes as error messages show it.
pub(super) fn quoted(text: &str) -> String {
    let shortened = if text.chars().count() < PREVIEW_CHARACTERS {
        text.to_owned()
    } else {
        text.chars().take(PREVIEW_CHARACTERS - 1).chain(['…']).collect()
    };
    serde_json::Value::String(shortened).to_string()
}

fn write_preview(value: &Value, depth: usize, shown: &mut String) {
    match value {
        Value::Null => shown.push_str("null"),
        Value::Bool(boolean) => shown.push_str(if *boolean { "true" } else { "false" }),
        Value::Integer(integer) => shown.push_str(&integer.to_string()),
        Value::String(text) => shown.push_str(&quoted(text)),
        Value::Bytes(_) => shown.push_str("object"),
        Value::Link(_) => shown.push_str("cid"),
        Value::Array(_) if depth == 0 => shown.push_str("[...]"),
        Value::Array(elements) => {
            shown.push('[');
            for (index, element) in elements.iter().take(PREVIEW_ELEMENTS).enumerate() {
                shown.push_str(if index == 0 { "" } else { ", " });
                write_preview(element, depth - 1, shown);
            }
            shown.push_str(if elements.len() > PREVIEW_ELEMENTS {
                ", ...]"
            } else {
                "]"
            });
        }
        Value::Map(map) => {
            let keys: Vec<_> = map
                .iter()
                .take(PREVIEW_ELEMENTS)
                .map(|(key, _)| format!("{}: ...", quoted(key)))
                .collect();
            let more = if map.len() > PREVIEW_ELEMENTS { ", ..." } else { "" };
            // Writing to a string does not fail.
            let _ = write!(shown, "{{{}{more}}}", keys.join(", "));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shown(json: &str) -> String {
        preview(&atproto_data::json::from_slice(json.as_bytes()).unwrap())
    }

    #[test]
    fn values_are_shown_as_the_reference_shows_them() {
        assert_eq!(shown("null"), "null");
        assert_eq!(shown("5"), "5");
        assert_eq!(shown(r#""a\"b""#), r#""a\"b""#);
        assert_eq!(shown("[1]"), "[1]");
        assert_eq!(shown("[1, 2, 3]"), "[1, 2, ...]");
        assert_eq!(shown(r#"{"a": 1}"#), r#"{"a": ...}"#);
        assert_eq!(
            shown(r#"{"value": {}, "collection": "x"}"#),
            r#"{"value": ..., "collection": ...}"#
        );
    }

    #[test]
    fn long_and_deep_values_are_cut() {
        let text = quoted(&"é".repeat(10_000));
        assert_eq!(text.chars().count(), 258);
        assert!(text.ends_with("…\""));
        assert_eq!(shown("[[[[[1]]]]]"), "[[[[...]]]]");
    }

    #[test]
    fn formats_have_their_words() {
        assert_eq!(parse::<Nsid>("x").unwrap_err(), r#"Invalid NSID (got "x")"#);
        assert_eq!(
            parse::<AtIdentifier>("nope nope").unwrap_err(),
            r#"Invalid AT identifier (got "nope nope")"#
        );
        assert_eq!(
            parse::<RecordKey>(&"a".repeat(513)).unwrap_err(),
            "string too big (maximum 512, got 513)"
        );
        assert!(parse::<RecordKey>("self").is_ok());
    }
}
