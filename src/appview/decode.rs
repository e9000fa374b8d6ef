//! Undoing the encoding of an answer, within a limit on what comes out.

use std::io::Read as _;

use axum::http::{HeaderMap, header};
use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// Why an encoding is not undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecoded {
    /// What comes out is larger than the limit.
    TooLarge,
    /// The bytes are broken, or encoded in a way that we do not know (we ask for no other).
    Unreadable,
}

/// The answer's bytes without their `Content-Encoding` ([RFC 9110 §8.4](https://www.rfc-editor.org/rfc/rfc9110#section-8.4)), at most
/// `limit`.
pub(super) fn decode(headers: &HeaderMap, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Undecoded> {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.as_bytes().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some(b"identity" | b"") if bytes.len() <= limit => Ok(bytes.to_vec()),
        None | Some(b"identity" | b"") => Err(Undecoded::TooLarge),
        Some(b"gzip" | b"x-gzip") => read(MultiGzDecoder::new(bytes), limit),
        Some(b"deflate") => read(ZlibDecoder::new(bytes), limit),
        Some(_) => Err(Undecoded::Unreadable),
    }
}

fn read(decoder: impl std::io::Read, limit: usize) -> Result<Vec<u8>, Undecoded> {
    let mut decoded = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = decoder.take(one_more).read_to_end(&mut decoded);
    read.map_err(|_| Undecoded::Unreadable)?;
    if decoded.len() > limit {
        return Err(Undecoded::TooLarge);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn encoded(name: &'static str) -> HeaderMap {
        [(header::CONTENT_ENCODING, name.parse().unwrap())]
            .into_iter()
            .collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn known_encodings_are_undone_within_the_limit() {
        let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(b"hello").unwrap();
        let deflate = deflate.finish().unwrap();
        assert_eq!(decode(&HeaderMap::new(), b"hello", 5).unwrap(), b"hello");
        assert_eq!(decode(&encoded("GZIP"), &gzip(b"hello"), 5).unwrap(), b"hello");
        assert_eq!(decode(&encoded("deflate"), &deflate, 5).unwrap(), b"hello");
        assert_eq!(decode(&HeaderMap::new(), b"hello", 4), Err(Undecoded::TooLarge));
        assert_eq!(decode(&encoded("gzip"), &gzip(b"hello"), 4), Err(Undecoded::TooLarge));
        assert_eq!(decode(&encoded("br"), b"hello", 5), Err(Undecoded::Unreadable));
        assert_eq!(decode(&encoded("gzip"), b"hello", 5), Err(Undecoded::Unreadable));
    }

    #[test]
    fn a_bomb_does_not_unfold() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(decode(&encoded("gzip"), &bomb, 1 << 20), Err(Undecoded::TooLarge));
    }
}
