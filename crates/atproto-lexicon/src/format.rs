//! String formats: <https://atproto.com/specs/lexicon#string-formats>.

use atproto_data::syntax::{
    AtIdentifier, AtUri, Datetime, Did, Handle, Language, MAX_AT_URI_BYTES, MAX_URI_BYTES, Nsid, RecordKey, Tid,
};

/// Longest scheme of a URI in bytes.
const MAX_SCHEME_BYTES: usize = 80;

/// Longest CID string in bytes.
const MAX_CID_BYTES: usize = 128;

/// Shortest binary CID: version, codec, hash function, hash length, no hash.
const MIN_CID_BINARY_BYTES: usize = 4;

const CID_VERSION: u64 = 1;

/// A string format, named as in the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    AtIdentifier,
    AtUri,
    Cid,
    Datetime,
    Did,
    Handle,
    Language,
    Nsid,
    RecordKey,
    Tid,
    Uri,
}

impl Format {
    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AtIdentifier => "AT identifier",
            Self::AtUri => "at-uri",
            Self::Cid => "CID string",
            Self::Datetime => "datetime",
            Self::Did => "DID",
            Self::Handle => "handle",
            Self::Language => "language",
            Self::Nsid => "NSID",
            Self::RecordKey => "record key",
            Self::Tid => "TID string",
            Self::Uri => "uri",
        }
    }

    pub(crate) fn matches(self, text: &str) -> bool {
        match self {
            Self::AtIdentifier => text.parse::<AtIdentifier>().is_ok(),
            Self::AtUri => is_at_uri(text),
            Self::Cid => is_cid(text),
            Self::Datetime => text.parse::<Datetime>().is_ok(),
            Self::Did => text.parse::<Did>().is_ok(),
            Self::Handle => text.parse::<Handle>().is_ok(),
            Self::Language => text.parse::<Language>().is_ok(),
            Self::Nsid => text.parse::<Nsid>().is_ok(),
            Self::RecordKey => text.parse::<RecordKey>().is_ok(),
            Self::Tid => text.parse::<Tid>().is_ok(),
            Self::Uri => is_uri(text),
        }
    }
}

/// An AT URI, which in a record may point into what it names: `#` and a JSON pointer.
fn is_at_uri(text: &str) -> bool {
    let Some((uri, pointer)) = text.split_once('#') else {
        return text.parse::<AtUri>().is_ok();
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:@!$&')(*+,;=%[]/-".contains(&byte);
    pointer.starts_with('/')
        && pointer.bytes().all(allowed)
        && percent_decodes(pointer)
        && text.len() <= MAX_AT_URI_BYTES
        && uri.parse::<AtUri>().is_ok()
}

/// Whether every `%` starts an escape and the bytes are UTF-8 (RFC 3986 section 2.1).
fn percent_decodes(text: &str) -> bool {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let Some((escape, rest)) = part.split_at_checked(2) else {
            return false;
        };
        let digits = escape.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(byte) = u8::from_str_radix(escape, 16).ok().filter(|_| digits) else {
            return false;
        };
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    std::str::from_utf8(&bytes).is_ok()
}

/// A URI with something other than a slash after `:` or `://`, and no white space or control characters.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    text.len() <= MAX_URI_BYTES
        && is_scheme(scheme)
        && !rest.is_empty()
        && !rest.starts_with('/')
        && !rest.contains(|char: char| char.is_whitespace() || char.is_control())
}

/// A scheme of RFC 3986 section 3.1, or a word that may start with a digit or hold `_`, which is what the reference
/// implementation takes for one.
fn is_scheme(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_standard = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    (1..=MAX_SCHEME_BYTES).contains(&text.len()) && (is_word || is_standard)
}

/// A CID of version 1, any codec and hash, in canonical lower-case base32.
fn is_cid(text: &str) -> bool {
    let Some(base32) = text.strip_prefix('b').filter(|_| text.len() <= MAX_CID_BYTES) else {
        return false;
    };
    decode_base32(base32).is_some_and(|bytes| is_binary_cid(&bytes))
}

/// RFC 4648 section 6, lower case, not padded; `None` if it could be written in another way.
fn decode_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for char in text.bytes() {
        let value = match char {
            b'a'..=b'z' => char - b'a',
            b'2'..=b'7' => char - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    let left_over = bits & ((1 << count) - 1);
    (count < 5 && left_over == 0).then_some(bytes)
}

/// Version, codec, hash function, the hash's length and just as many bytes.
fn is_binary_cid(bytes: &[u8]) -> bool {
    let fields = || {
        let (version, rest) = read_varint(bytes)?;
        let (_codec, rest) = read_varint(rest)?;
        let (_hash, rest) = read_varint(rest)?;
        let (length, digest) = read_varint(rest)?;
        Some(version == CID_VERSION && u64::try_from(digest.len()) == Ok(length))
    };
    bytes.len() >= MIN_CID_BINARY_BYTES && fields() == Some(true)
}

/// An unsigned LEB128 number and what follows it.
fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Format, valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert!(format.matches(text), "must be valid: {text:?}");
        }
        for text in invalid {
            assert!(!format.matches(text), "must be invalid: {text:?}");
        }
    }

    #[test]
    fn at_uris_may_point_into_a_record() {
        check(
            Format::AtUri,
            &[
                "at://did:plc:abc",
                "at://a.test/a.b.c/self#/text/0",
                "at://a.test#/%C3%A4",
            ],
            &[
                "at://a.test#",
                "at://a.test#text",
                "at://a.test#/a#/b",
                "at://a.test#/%C3",
                "at://a.test#/%+1",
                "#/a",
            ],
        );
    }

    #[test]
    fn uris_have_something_after_the_slashes() {
        check(
            Format::Uri,
            &[
                "https://example.com/",
                "dns:a",
                "content-type:text/plain",
                "at://did:plc:abc",
            ],
            &[
                "example.com",
                "https://",
                "https:///a",
                "file:/a",
                "https:",
                "https://a b",
            ],
        );
    }

    #[test]
    fn cids_are_canonical() {
        check(
            Format::Cid,
            &[
                "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq",
                "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
                // dag-pb
                "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            ],
            &[
                "",
                "b",
                "not-a-cid",
                "bafyreib",
                "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwr",
                "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwqaa",
                "BAFYREICLP443LAVOGVHJ3D2OB2CXBFUSCNI2K5JK7BEBJZG7KHL3ESABWQ",
                "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR",
                "zdj7WWeQ43G6JJvLWQWZpyHuAMq6uYWRjkBXFad11vE2LHhQ7",
            ],
        );
    }
}
