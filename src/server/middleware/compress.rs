//! Compression of answers for clients that ask for it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, Predicate, SizeAbove};

/// Smaller answers are not worth it, in bytes.
const WORTH_IT: u64 = 1024;

/// Compresses text, JSON and CARs.
pub(in crate::server) fn layer() -> CompressionLayer<And<SizeAbove, Compressible>> {
    let worth_it = SizeAbove::new(WORTH_IT).and(Compressible);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(worth_it)
}

/// Says in one `Vary` header that answers depend on `Accept-Encoding`, besides what they depend on already. Attachments do not.
pub(in crate::server) fn vary(mut response: Response) -> Response {
    if response.headers().contains_key(header::CONTENT_DISPOSITION) {
        return response;
    }
    let headers = response.headers_mut();
    let before: Vec<_> = headers
        .get_all(header::VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let all = before
        .into_iter()
        .chain(["Accept-Encoding"])
        .collect::<Vec<_>>()
        .join(", ");
    if let Ok(value) = HeaderValue::try_from(all) {
        headers.insert(header::VARY, value);
    }
    response
}

/// Answers of a media type that compresses.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Compressible;

impl Predicate for Compressible {
    fn should_compress<B>(&self, response: &axum::http::Response<B>) -> bool
    where
        B: axum::body::HttpBody,
    {
        is_compressible(response.headers())
    }
}

fn is_compressible(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    // A blob is what somebody uploaded: it is served as it is, with the length that its headers promise.
    let is_attachment = headers.contains_key(header::CONTENT_DISPOSITION);
    let compresses =
        essence.starts_with("text/") || ["application/json", "application/vnd.ipld.car"].contains(&essence);
    compresses && !is_attachment
}
