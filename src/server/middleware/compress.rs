//! Compression of answers for clients that ask for it.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use tower::{ServiceExt as _, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::Compression;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// Smaller answers are not worth it, in bytes.
const WORTH_IT: u64 = 1024;

/// Compresses text, JSON and CARs.
pub(in crate::server) async fn compress<F: Future<Output = Response>>(
    request: Request,
    rest: impl Fn(Request) -> F,
) -> Response {
    let rest = service_fn(|request| rest(request).map(Ok::<_, Infallible>));
    let compressing = Compression::new(rest)
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(WORTH_IT).and(Compressible));
    let Ok(response) = compressing.oneshot(request).await;
    response.map(Body::new)
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
