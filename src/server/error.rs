//! The XRPC error envelope: a status and `{error, message}` ([XRPC error responses](https://atproto.com/specs/xrpc#error-responses)).

use std::borrow::Cow;
use std::error::Error;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::respond;
use crate::causes::in_one_line;
use crate::observe::Unwritable;

/// What every handler answers.
pub type XrpcResult = Result<Response, XrpcError>;

/// An answer that is an error: a status, a name that programs match on and a message for people. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {error}: {message}")]
pub struct XrpcError {
    /// The HTTP status, 4xx or 5xx.
    pub status: StatusCode,
    /// The error's name, such as `InvalidRequest`.
    pub error: Cow<'static, str>,
    /// What went wrong, in words.
    pub message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl XrpcError {
    /// An error of the given status and name. The constructors below cover the usual ones.
    pub fn new(status: StatusCode, error: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    /// 400 with a name of the method's own, such as `InvalidSwap`.
    pub fn bad_request(error: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    /// 400 `InvalidRequest`.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::bad_request("InvalidRequest", message)
    }

    /// 400 `InvalidToken`: credentials that are malformed, forged or of the wrong kind.
    pub fn invalid_token(message: impl Into<String>) -> Self {
        Self::bad_request("InvalidToken", message)
    }

    /// 400 `ExpiredToken`: clients answer it by refreshing their session.
    pub fn expired_token(message: impl Into<String>) -> Self {
        Self::bad_request("ExpiredToken", message)
    }

    /// 401 with a name of its own, such as `AccountTakedown`.
    pub fn unauthorized(error: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error, message)
    }

    /// 401 `AuthMissing`: no credentials where some are needed.
    pub fn auth_missing() -> Self {
        Self::unauthorized("AuthMissing", "Authentication Required")
    }

    /// 401 `AuthenticationRequired` with its usual message.
    pub fn authentication_required() -> Self {
        Self::authentication_failed("Authentication Required")
    }

    /// 401 `AuthenticationRequired` that says why.
    pub fn authentication_failed(message: impl Into<String>) -> Self {
        Self::unauthorized("AuthenticationRequired", message)
    }

    /// 403 with a name of its own, such as `AccountNotFound`.
    pub fn forbidden_as(error: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error, message)
    }

    /// 403 `Forbidden`.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::forbidden_as("Forbidden", message)
    }

    /// 404 `NotFound`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// 408 `RequestTimeout`: the body came too slowly.
    pub fn request_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeout",
            "The request body came too slowly",
        )
    }

    /// 413 `PayloadTooLargeError`: a JSON body beyond its method's limit.
    pub fn payload_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLargeError",
            "request entity too large",
        )
    }

    /// 413 `PayloadTooLarge`: a blob or a CAR beyond its limit (the reference names the two cases differently).
    pub fn stream_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLarge",
            "request entity too large",
        )
    }

    /// 415 `UnsupportedMediaType`.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 426 `UpgradeRequired`: a subscription is a WebSocket ([RFC 9110 §15.5.22](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.22)).
    pub fn upgrade_required() -> Self {
        let message = "This method is a subscription: connect to it with a WebSocket";
        Self::new(StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", message)
            .with_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))
            .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
    }

    /// 429 `RateLimitExceeded`. The limiter adds `RateLimit-*` and `Retry-After` with [`Self::with_header`].
    pub fn rate_limited() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "RateLimitExceeded",
            "Rate Limit Exceeded",
        )
    }

    /// 500 `InternalServerError`, or 503 where the cause is a disk that takes no writes or cannot be read. The cause goes to the log, once,
    /// inside the request's span (which carries the request id); the caller learns nothing of it.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        if let Some(reason) = Unwritable::among(cause) {
            let (refused, cannot) = match reason {
                Unwritable::Unreadable | Unwritable::Damaged => ("a read fails", "What is stored cannot be read"),
                _ => ("a write is refused", "Nothing can be written"),
            };
            tracing::warn!(cause = in_one_line(cause), "{refused}");
            return Self::not_enough_resources(format!("{cannot} because {reason}, try again later"));
        }
        tracing::error!(cause = in_one_line(cause), "internal error");
        Self::internal_silent()
    }

    /// 500 `InternalServerError` for a cause that has been logged already.
    pub fn internal_silent() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "Internal Server Error",
        )
    }

    /// 501 `MethodNotImplemented`.
    pub fn not_implemented() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "MethodNotImplemented",
            "Method Not Implemented",
        )
    }

    /// 502 `UpstreamFailure`: a service that we asked did not answer, or not usefully.
    pub fn upstream_failure(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "UpstreamFailure", message)
    }

    /// 503 `NotEnoughResources`: try again later.
    pub fn not_enough_resources(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "NotEnoughResources", message)
    }

    /// 504 `UpstreamTimeout`: a service that we asked took too long.
    pub fn upstream_timeout(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "UpstreamTimeout", message)
    }

    /// Adds a header to the answer, such as `WWW-Authenticate`.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A header that was added, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        let (_, value) = self.headers.iter().find(|(added, _)| added == name)?;
        Some(value)
    }
}

impl IntoResponse for XrpcError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "message": self.message }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, respond::JSON)], body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn becomes_the_envelope() {
        let error = XrpcError::auth_missing().with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("DPoP"));
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!(response.headers()["www-authenticate"], "DPoP");
        let body = to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(body, r#"{"error":"AuthMissing","message":"Authentication Required"}"#);
    }

    #[test]
    fn internal_errors_keep_their_cause_to_themselves() {
        let error = XrpcError::internal(&std::io::Error::other("password=hunter2"));
        assert_eq!(
            (error.status.as_u16(), error.error.as_ref()),
            (500, "InternalServerError")
        );
        assert_eq!(error.message, "Internal Server Error");
    }

    #[test]
    fn a_disk_that_takes_no_writes_is_no_internal_error() {
        let error = XrpcError::internal(&Unwritable::Full);
        assert_eq!(
            (error.status.as_u16(), error.error.as_ref()),
            (503, "NotEnoughResources")
        );
        assert_eq!(
            error.message,
            "Nothing can be written because the disk is full, try again later"
        );
    }
}
