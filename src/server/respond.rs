//! Successful answers in the shapes that XRPC methods give.

use atproto_data::Value;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::{XrpcError, XrpcResult};

/// The content type of JSON answers, as the reference writes it.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// The content type of plain text answers.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// The content type of a repo or of blocks ([CAR v1](https://ipld.io/specs/transport/car/carv1/)).
pub(crate) const CAR: HeaderValue = HeaderValue::from_static("application/vnd.ipld.car");

/// 200 with any serialisable value as JSON.
pub fn json<T: Serialize + ?Sized>(value: &T) -> XrpcResult {
    serde_json::to_vec(value)
        .map(json_bytes)
        .map_err(|error| XrpcError::internal(&error))
}

/// 200 with a value of the atproto data model as JSON (`{"$link": …}`, `{"$bytes": …}`).
pub fn data(value: &Value) -> Response {
    json_bytes(atproto_data::json::to_vec(value))
}

/// 200 with JSON that is written out already.
pub fn json_bytes(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], bytes).into_response()
}

/// 200 without a body, for procedures without output.
pub fn empty() -> Response {
    Body::empty().into_response()
}

/// 200 with plain text.
pub fn text(body: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], body.into()).into_response()
}

/// 200 with a CAR, from bytes or from a stream.
pub fn car(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, CAR)], body.into()).into_response()
}
