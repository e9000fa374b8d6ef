//! What is wrong with a value, in the words of the reference implementation, and where.

use std::fmt;

use atproto_data::Value;

use crate::schema::Scalar;

/// Longest string shown in full, in UTF-16 code units as JavaScript counts.
const MAX_SHOWN_UNITS: usize = 255;

/// Most items or members shown of a container.
const MAX_SHOWN_ENTRIES: usize = 2;

/// What is wrong with a value and where: `string too big (maximum 3000, got 3001) at $.record.text`.
#[derive(Clone, PartialEq, Eq)]
pub struct Issue(Box<str>);

impl Issue {
    pub(crate) fn new(message: fmt::Arguments<'_>, path: &Path<'_>) -> Self {
        Self(format!("{message} at {path}").into())
    }

    /// A value of another type than the schema's.
    pub(crate) fn expected_type(expected: &str, got: &Value, path: &Path<'_>) -> Self {
        Self::new(
            format_args!("Expected {expected} value type (got {})", Shown(got)),
            path,
        )
    }

    /// A value that is none of those allowed.
    pub(crate) fn expected_one_of(allowed: &[impl fmt::Display], got: impl fmt::Display, path: &Path<'_>) -> Self {
        Self::new(format_args!("Expected {} (got {got})", OneOf(allowed)), path)
    }

    /// A measure below its minimum.
    pub(crate) fn too_small(
        measured: &str,
        minimum: impl fmt::Display,
        got: impl fmt::Display,
        path: &Path<'_>,
    ) -> Self {
        Self::new(
            format_args!("{measured} too small (minimum {minimum}, got {got})"),
            path,
        )
    }

    /// A measure beyond its maximum.
    pub(crate) fn too_big(measured: &str, maximum: impl fmt::Display, got: impl fmt::Display, path: &Path<'_>) -> Self {
        Self::new(format_args!("{measured} too big (maximum {maximum}, got {got})"), path)
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Issue({})", self.0)
    }
}

/// The way to a value, kept on the stack and put into words only for an issue.
pub(crate) enum Path<'a> {
    /// Where the caller says the record is, such as `$.record`.
    Base(&'a dyn fmt::Display),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(base) => write!(formatter, "{base}"),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
            Self::Key(parent, key) if is_identifier(key) => write!(formatter, "{parent}.{key}"),
            Self::Key(parent, key) => write!(formatter, "{parent}[{}]", Quoted(key)),
        }
    }
}

fn is_identifier(key: &str) -> bool {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    key.bytes().next().is_some_and(|byte| starts(byte) || byte == b'$')
        && key.bytes().skip(1).all(|byte| starts(byte) || byte.is_ascii_digit())
}

/// A string as JSON.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self.0).map_err(|_| fmt::Error)?;
        formatter.write_str(&json)
    }
}

/// A string as JSON, cut if it is long. A character that the cut divides shows as the escape of its first half.
pub(crate) struct QuotedStart<'a>(pub(crate) &'a str);

impl fmt::Display for QuotedStart<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut units = 0;
        for (index, char) in self.0.char_indices() {
            if units + char.len_utf16() > MAX_SHOWN_UNITS {
                return write_cut(formatter, &self.0[..index], units, char);
            }
            units += char.len_utf16();
        }
        Quoted(self.0).fmt(formatter)
    }
}

fn write_cut(formatter: &mut fmt::Formatter<'_>, shown: &str, units: usize, next: char) -> fmt::Result {
    let json = serde_json::to_string(shown).map_err(|_| fmt::Error)?;
    formatter.write_str(&json[..json.len() - 1])?;
    if units < MAX_SHOWN_UNITS {
        let high_surrogate = next.encode_utf16(&mut [0; 2])[0];
        write!(formatter, "\\u{high_surrogate:x}")?;
    }
    formatter.write_str("…\"")
}

/// A value, shortly.
pub(crate) struct Shown<'a>(pub(crate) &'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => formatter.write_str("null"),
            Value::Bool(truth) => write!(formatter, "{truth}"),
            Value::Integer(number) => write!(formatter, "{number}"),
            Value::String(text) => QuotedStart(text).fmt(formatter),
            Value::Bytes(_) => formatter.write_str("object"),
            Value::Link(_) => formatter.write_str("cid"),
            Value::Array(items) => {
                let shown = items.iter().take(MAX_SHOWN_ENTRIES).map(Shown);
                write_entries(formatter, ['[', ']'], shown, items.len())
            }
            Value::Map(map) => {
                let shown = map.iter().take(MAX_SHOWN_ENTRIES).map(|(key, _)| Member(key));
                write_entries(formatter, ['{', '}'], shown, map.len())
            }
        }
    }
}

struct Member<'a>(&'a str);

impl fmt::Display for Member<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ...", Quoted(self.0))
    }
}

fn write_entries(
    formatter: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    shown: impl Iterator<Item = impl fmt::Display>,
    len: usize,
) -> fmt::Result {
    write!(formatter, "{open}")?;
    for (index, entry) in shown.enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        write!(formatter, "{separator}{entry}")?;
    }
    let more = if len > MAX_SHOWN_ENTRIES { ", ..." } else { "" };
    write!(formatter, "{more}{close}")
}

impl fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(truth) => write!(formatter, "{truth}"),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::String(text) => QuotedStart(text).fmt(formatter),
        }
    }
}

struct OneOf<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for OneOf<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.0.split_last() else {
            return Ok(());
        };
        if others.is_empty() {
            return last.fmt(formatter);
        }
        formatter.write_str("one of ")?;
        for (index, value) in others.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(formatter, "{separator}{value}")?;
        }
        write!(formatter, " or {last}")
    }
}

#[cfg(test)]
mod tests {
    use atproto_data::{Cid, Map};

    use super::*;

    #[test]
    fn shows_values_shortly() {
        let text = |text: &str| Value::String(text.to_owned());
        let map = |keys: &[&str]| -> Map { keys.iter().map(|key| ((*key).to_owned(), Value::Null)).collect() };
        let shown = [
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::Integer(-5), "-5"),
            (text("a\"\n\u{1}ä"), r#""a\"\n\u0001ä""#),
            (Value::Bytes(vec![1]), "object"),
            (Value::Link(Cid::of_raw(b"")), "cid"),
            (Value::Array(vec![]), "[]"),
            (
                Value::Array(vec![Value::Null, Value::Array(vec![text("a"); 3])]),
                r#"[null, ["a", "a", ...]]"#,
            ),
            (Value::Map(map(&[])), "{}"),
            (Value::Map(map(&["a", "b", "c"])), r#"{"a": ..., "b": ..., ...}"#),
        ];
        for (value, expected) in shown {
            assert_eq!(Shown(&value).to_string(), expected);
        }
    }

    #[test]
    fn cuts_long_strings() {
        let a = |count| "a".repeat(count);
        assert_eq!(QuotedStart(&a(255)).to_string(), format!("\"{}\"", a(255)));
        assert_eq!(QuotedStart(&a(256)).to_string(), format!("\"{}…\"", a(255)));
        let divided = format!("{}😀", a(254));
        assert_eq!(QuotedStart(&divided).to_string(), format!("\"{}\\ud83d…\"", a(254)));
    }

    #[test]
    fn writes_paths() {
        let base = Path::Base(&"$.writes[0].record");
        let list = Path::Key(&base, "$a_1");
        let item = Path::Index(&list, 3);
        assert_eq!(item.to_string(), "$.writes[0].record.$a_1[3]");
        assert_eq!(
            Path::Key(&item, "a-\"b\"").to_string(),
            "$.writes[0].record.$a_1[3][\"a-\\\"b\\\"\"]"
        );
        assert_eq!(Path::Key(&base, "a$").to_string(), "$.writes[0].record[\"a$\"]");
        assert_eq!(Path::Key(&base, "").to_string(), "$.writes[0].record[\"\"]");
    }

    #[test]
    fn lists_alternatives() {
        assert_eq!(OneOf(&["a"]).to_string(), "a");
        assert_eq!(OneOf(&["a", "b"]).to_string(), "one of a or b");
        assert_eq!(OneOf(&["a", "b", "c"]).to_string(), "one of a, b or c");
    }
}
