//! Strings: lengths in bytes and graphemes, formats.

use unicode_segmentation::UnicodeSegmentation;

use crate::issue::{Issue, Path, QuotedStart};
use crate::schema::StringSchema;

impl StringSchema {
    /// Checks a text. The message of the first rule that is broken, in the order of the reference implementation.
    pub(crate) fn check(&self, text: &str, path: &Path<'_>) -> Result<(), Issue> {
        let len = text.len();
        if len < self.bytes.minimum {
            return Err(Issue::too_small("string", self.bytes.minimum, len, path));
        }
        if len > self.bytes.maximum {
            return Err(Issue::too_big("string", self.bytes.maximum, len, path));
        }
        self.check_graphemes(text, path)?;
        match self.format {
            Some(format) if !format.matches(text) => {
                let (name, got) = (format.name(), QuotedStart(text));
                Err(Issue::new(format_args!("Invalid {name} (got {got})"), path))
            }
            _ => Ok(()),
        }
    }

    /// Graphemes are counted only if the number of UTF-16 code units, of which none has less than one, leaves it open.
    fn check_graphemes(&self, text: &str, path: &Path<'_>) -> Result<(), Issue> {
        let (minimum, maximum) = (self.graphemes.minimum, self.graphemes.maximum);
        if minimum == 0 && text.len() <= maximum {
            return Ok(());
        }
        let units = text.encode_utf16().count();
        if units < minimum {
            return Err(Issue::too_small("grapheme", minimum, units, path));
        }
        if minimum == 0 && units <= maximum {
            return Ok(());
        }
        let count = count_graphemes(text);
        if count < minimum {
            return Err(Issue::too_small("grapheme", minimum, count, path));
        }
        if count > maximum {
            return Err(Issue::too_big("grapheme", maximum, count, path));
        }
        Ok(())
    }
}

/// How many graphemes a text has, by which lexicons limit what people write: extended grapheme clusters (UAX #29).
pub fn count_graphemes(text: &str) -> usize {
    if text.is_ascii() {
        // Only a line end of two characters is longer than one.
        text.len() - text.matches("\r\n").count()
    } else {
        text.graphemes(true).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::schema::Lengths;

    fn check(schema: &StringSchema, text: &str) -> String {
        let result = schema.check(text, &Path::Base(&"$"));
        result.map_or_else(|issue| issue.to_string(), |()| "valid".to_owned())
    }

    fn schema(bytes: (usize, usize), graphemes: (usize, usize), format: Option<Format>) -> StringSchema {
        StringSchema {
            bytes: Lengths::new(Some(bytes.0), Some(bytes.1)),
            graphemes: Lengths::new(Some(graphemes.0), Some(graphemes.1)),
            format,
        }
    }

    #[test]
    fn counts_bytes() {
        let schema = schema((2, 4), (0, 9), None);
        assert_eq!(check(&schema, "a"), "string too small (minimum 2, got 1) at $");
        assert_eq!(check(&schema, "ä"), "valid");
        assert_eq!(check(&schema, "ääa"), "string too big (maximum 4, got 5) at $");
    }

    #[test]
    fn counts_graphemes() {
        const FAMILY: &str = "👩‍👩‍👦‍👦";
        let schema = schema((0, 999), (2, 3), None);
        assert_eq!(check(&schema, "a"), "grapheme too small (minimum 2, got 1) at $");
        assert_eq!(check(&schema, FAMILY), "grapheme too small (minimum 2, got 1) at $");
        assert_eq!(check(&schema, "\r\n"), "grapheme too small (minimum 2, got 1) at $");
        assert_eq!(check(&schema, &FAMILY.repeat(3)), "valid");
        assert_eq!(
            check(&schema, "a\r\nbe\u{301}"),
            "grapheme too big (maximum 3, got 4) at $"
        );
        assert_eq!(
            check(&schema, &FAMILY.repeat(4)),
            "grapheme too big (maximum 3, got 4) at $"
        );
    }

    #[test]
    fn formats_come_last() {
        let schema = schema((0, 9), (0, 9), Some(Format::Did));
        assert_eq!(check(&schema, "did:a:b"), "valid");
        assert_eq!(check(&schema, "did:a"), "Invalid DID (got \"did:a\") at $");
        assert_eq!(check(&schema, "0123456789"), "string too big (maximum 9, got 10) at $");
    }
}
