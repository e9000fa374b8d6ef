//! Escapes of half a character. Whoever cuts a text within an emoji sends them, and the reference takes them.

/// Length of `\ud83d`.
const ESCAPE: usize = 6;

/// The JSON with `\ufffd`, the replacement character, for each escaped surrogate that lacks its other half ([RFC 8259
/// §8.2](https://www.rfc-editor.org/rfc/rfc8259#section-8.2)): the character that the reference stores for it. `None` if there is none.
pub(super) fn replaced(json: &[u8]) -> Option<Vec<u8>> {
    let mut mended = None;
    let mut at = 0;
    while let Some(skipped) = json
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'\\'))
    {
        at += skipped;
        at += match (escaped(json, at), escaped(json, at + ESCAPE)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * ESCAPE,
            (Some(0xD800..=0xDFFF), _) => {
                let mended = mended.get_or_insert_with(|| json.to_vec());
                mended[at..at + ESCAPE].copy_from_slice(b"\\ufffd");
                ESCAPE
            }
            // The character after the backslash may be another backslash, which escapes nothing.
            _ => 2,
        };
    }
    mended
}

/// The UTF-16 code unit that is escaped at this place.
fn escaped(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::replaced;

    fn check(json: &str, expected: &str) {
        let replaced = replaced(json.as_bytes()).map(|json| String::from_utf8_lossy(&json).into_owned());
        assert_eq!(replaced.as_deref().unwrap_or(json), expected);
    }

    #[test]
    fn halves_of_characters_are_replaced() {
        check(r#""\ud83d""#, r#""\ufffd""#);
        check(r#""\uDE00x\uD83D""#, r#""\ufffdx\ufffd""#);
        check(r#""\ud83dx\ude00""#, r#""\ufffdx\ufffd""#);
        check(r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#);
        check(r#""\ud83d\u0041""#, r#""\ufffd\u0041""#);
        check(r#""\\\ud83d\n""#, r#""\\\ufffd\n""#);
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for json in [
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\u00e9\n\\""#,
            r#""ud83d""#,
            r#""\ud83"#,
            r#""\"#,
            "",
        ] {
            assert_eq!(replaced(json.as_bytes()), None, "{json}");
        }
    }
}
