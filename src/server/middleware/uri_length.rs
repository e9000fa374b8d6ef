//! The greatest length of a request's path and query.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::server::error::XrpcError;

/// In bytes. Room for 200 CIDs in a query.
const MAX_URI: usize = 16 * 1024;

/// The refusal (414) of longer ones.
pub(in crate::server) fn refusal(request: &Request) -> Option<Response> {
    let uri = request.uri();
    let is_too_long = uri.path().len() + uri.query().map_or(0, str::len) > MAX_URI;
    is_too_long.then(|| {
        let error = XrpcError::new(
            StatusCode::URI_TOO_LONG,
            "InvalidRequest",
            "The path and query are too long",
        );
        error.into_response()
    })
}
