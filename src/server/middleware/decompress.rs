//! Request bodies that come compressed.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use tower::{ServiceExt, service_fn};
use tower_http::decompression::{DecompressionBody, RequestDecompression};

/// Undoes gzip and deflate, and removes the header that says so; limits then hold for what comes out. Other encodings pass as they are,
/// for the methods to refuse.
pub(in crate::server) async fn undo(request: Request, next: Next) -> Response {
    if !request.headers().contains_key(header::CONTENT_ENCODING) {
        return next.run(request).await;
    }
    let rest = service_fn(move |request: axum::http::Request<DecompressionBody<Body>>| {
        let next = next.clone();
        async move { Ok::<_, Infallible>(next.run(request.map(Body::new)).await) }
    });
    let Ok(response) = RequestDecompression::new(rest)
        .pass_through_unaccepted(true)
        .oneshot(request)
        .await;
    response.map(Body::new)
}
