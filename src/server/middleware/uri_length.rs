//! The greatest length of a request's path and query.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::server::error::XrpcError;

/// In bytes. Room for 200 CIDs in a query.
const MAX_URI: usize = 16 * 1024;

/// Refuses longer ones with 414.
pub(in crate::server) async fn limit(request: Request, next: Next) -> Response {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_URI {
        return XrpcError::new(
            StatusCode::URI_TOO_LONG,
            "InvalidRequest",
            "The path and query are too long",
        )
        .into_response();
    }
    next.run(request).await
}
