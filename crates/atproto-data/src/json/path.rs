//! Where in a JSON text a reader is, kept on the stack and put into words only for an error.

use std::fmt;

/// Longest key printed in full.
const MAX_SHOWN_KEY: usize = 64;

/// The way from the root to a value.
pub(super) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("$"),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
            Self::Key(parent, key) if is_identifier(key) => write!(formatter, "{parent}.{key}"),
            Self::Key(parent, key) => write!(formatter, "{parent}[{}]", Quoted(key)),
        }
    }
}

/// A key in quotes, shortened if it is long.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.floor_char_boundary(MAX_SHOWN_KEY)];
        let mark = if shown.len() < self.0.len() { "…" } else { "" };
        write!(formatter, "\"{}{mark}\"", shown.escape_debug())
    }
}

fn is_identifier(key: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
    key.len() <= MAX_SHOWN_KEY
        && key.bytes().next().is_some_and(is_letter)
        && key.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}
