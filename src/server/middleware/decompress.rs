//! Request bodies that come compressed.

use async_compression::tokio::bufread::{GzipDecoder, ZlibDecoder};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures_util::TryStreamExt as _;
use tokio_util::io::{ReaderStream, StreamReader};

/// How much is decompressed at a time, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Undoes gzip and deflate, and removes the header that says so; limits then hold for what comes out. Other encodings pass as they are,
/// for the methods to refuse.
pub(in crate::server) fn undo(mut request: Request) -> Request {
    if let Some(encoding) = Encoding::of(request.headers()) {
        request.headers_mut().remove(header::CONTENT_ENCODING);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request = request.map(|body| encoding.undo(body));
    }
    request
}

/// The encodings that are undone ([RFC 9110 §8.4.1](https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1)).
enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Encoding> {
        let name = headers.get(header::CONTENT_ENCODING)?.as_bytes().to_ascii_lowercase();
        match name.as_slice() {
            b"gzip" | b"x-gzip" => Some(Encoding::Gzip),
            b"deflate" => Some(Encoding::Deflate),
            _ => None,
        }
    }

    fn undo(&self, body: Body) -> Body {
        let compressed = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
        match self {
            Encoding::Gzip => {
                let mut decoder = GzipDecoder::new(compressed);
                // Else what comes after the first part of several would be lost, and nobody told.
                decoder.multiple_members(true);
                Body::from_stream(ReaderStream::with_capacity(decoder, CHUNK_BYTES))
            }
            Encoding::Deflate => {
                Body::from_stream(ReaderStream::with_capacity(ZlibDecoder::new(compressed), CHUNK_BYTES))
            }
        }
    }
}
