//! Undoing the encoding of an answer, within a limit on what comes out.

use std::borrow::Cow;
use std::io::Read;

use axum::http::{HeaderMap, header};
use brotli_decompressor::Decompressor;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::capacity::Room;
use crate::server::XrpcError;

/// So many bytes are undone at a time.
const STEP: u64 = 64 << 10;
/// The buffer of Brotli's input, in bytes.
const BROTLI_BUFFER: usize = 4_096;
/// The largest window of Zstandard, in bytes ([RFC 9659](https://www.rfc-editor.org/rfc/rfc9659)).
const ZSTANDARD_WINDOW: u64 = 8 << 20;

/// Why an encoding is not undone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undecoded {
    /// The bytes are broken, or encoded in a way that we do not know.
    Unreadable,
    /// What comes out is larger than the limit, or than there is room for.
    TooLarge(XrpcError),
}

/// The answer's bytes without their `Content-Encoding` ([RFC 9110 §8.4](https://www.rfc-editor.org/rfc/rfc9110#section-8.4)), at most
/// `limit`.
pub(super) fn decode<'b>(
    headers: &HeaderMap,
    bytes: &'b [u8],
    limit: usize,
    room: &mut Room,
) -> Result<Cow<'b, [u8]>, Undecoded> {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map(|value| value.as_bytes().to_ascii_lowercase());
    let decoder: Box<dyn Read + 'b> = match encoding.as_deref() {
        None | Some(b"identity" | b"") if bytes.len() <= limit => return Ok(Cow::Borrowed(bytes)),
        None | Some(b"identity" | b"") => return Err(Undecoded::TooLarge(super::answer::too_large())),
        Some(b"gzip" | b"x-gzip") => Box::new(MultiGzDecoder::new(bytes)),
        Some(b"deflate") => Box::new(ZlibDecoder::new(bytes)),
        Some(b"br") => Box::new(Decompressor::new(bytes, BROTLI_BUFFER)),
        Some(b"zstd") => {
            let decoder = StreamingDecoder::new_with_max_window_size(bytes, ZSTANDARD_WINDOW);
            Box::new(decoder.map_err(|_| Undecoded::Unreadable)?)
        }
        Some(_) => return Err(Undecoded::Unreadable),
    };
    read(decoder, limit, room).map(Cow::Owned)
}

fn read(mut decoder: Box<dyn Read + '_>, limit: usize, room: &mut Room) -> Result<Vec<u8>, Undecoded> {
    let mut decoded = Vec::new();
    loop {
        let step = decoder.by_ref().take(STEP).read_to_end(&mut decoded);
        match step.map_err(|_| Undecoded::Unreadable)? {
            0 => return Ok(decoded),
            _ if decoded.len() > limit => return Err(Undecoded::TooLarge(super::answer::too_large())),
            read => room.grow(read).map_err(Undecoded::TooLarge)?,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::super::capacity::Capacity;
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

    /// `hello`, by the command-line tools of Brotli and Zstandard.
    const BROTLI: &[u8] = &[0x0b, 0x02, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x03];
    const ZSTANDARD: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x05, 0x29, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
    ];

    /// What comes out; none if it is unreadable, an error if it is too large.
    fn outcome(headers: &HeaderMap, bytes: &[u8], limit: usize) -> Result<Option<Vec<u8>>, ()> {
        match decode(headers, bytes, limit, &mut Capacity::default().room(None)) {
            Ok(decoded) => Ok(Some(decoded.into_owned())),
            Err(Undecoded::Unreadable) => Ok(None),
            Err(Undecoded::TooLarge(_)) => Err(()),
        }
    }

    #[test]
    fn known_encodings_are_undone_within_the_limit() {
        let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(b"hello").unwrap();
        let hello = Ok(Some(b"hello".to_vec()));
        for (encoding, bytes) in [
            ("identity", b"hello".to_vec()),
            ("GZIP", gzip(b"hello")),
            ("deflate", deflate.finish().unwrap()),
            ("br", BROTLI.to_vec()),
            ("zstd", ZSTANDARD.to_vec()),
        ] {
            assert_eq!(outcome(&encoded(encoding), &bytes, 5), hello, "{encoding}");
            assert_eq!(outcome(&encoded(encoding), &bytes, 4), Err(()), "{encoding}");
        }
        assert_eq!(outcome(&HeaderMap::new(), b"hello", 5), hello);
        for encoding in ["gzip", "deflate", "br", "zstd", "compress"] {
            assert_eq!(outcome(&encoded(encoding), b"hello", 5), Ok(None), "{encoding}");
        }
        // A window of 16 MiB.
        let window = [
            0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70, 0x29, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
        ];
        assert_eq!(outcome(&encoded("zstd"), &window, 5), Ok(None));
    }

    #[test]
    fn a_bomb_does_not_unfold() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(outcome(&encoded("gzip"), &bomb, 1 << 20), Err(()));
        let capacity = Capacity::default();
        let mut others = capacity.room(None);
        others.grow((16 << 20) - 100_000).unwrap();
        let no_room = decode(&encoded("gzip"), &bomb, 10 << 20, &mut capacity.room(None));
        assert!(matches!(no_room, Err(Undecoded::TooLarge(_))));
    }
}
