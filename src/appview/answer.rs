//! A service's answer on its way to the client: streamed, or read within limits.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response as Answer;
use futures_util::stream;
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::decode::Undecoded;
use super::{AppView, Reply, decode, headers};
use crate::server::XrpcError;

/// How long a service may take for a whole answer, however steadily it trickles.
const MAX_ANSWER_TIME: Duration = Duration::from_mins(10);
/// The longest name and message of a service's error that are passed on, in characters.
const MAX_ERROR_NAME: usize = 200;
const MAX_ERROR_MESSAGE: usize = 5_000;
/// The largest body of an error that is read, in bytes, before and after its encoding is undone.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// An answer that was read as a whole.
pub struct ReadAnswer {
    /// Its headers, all of them.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub encoded: Vec<u8>,
    /// Its body without its encoding; none if that cannot be undone.
    pub body: Option<Vec<u8>>,
}

impl AppView {
    /// Passes an answer on as it comes. One that is larger than the limit, or stops coming, is cut off.
    ///
    /// # Errors
    /// 502 if it says that it is larger than the limit.
    pub fn pass_on(&self, reply: Reply) -> Result<Answer, XrpcError> {
        let proxy = &self.settings.proxy;
        let response = &reply.response;
        if response
            .content_length()
            .is_some_and(|length| length > proxy.max_response_bytes)
        {
            return Err(too_large());
        }
        let mut answer = Answer::new(Body::empty());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = headers::of_answer(response.headers());
        *answer.body_mut() = paced(reply, proxy.max_response_bytes, proxy.body_timeout);
        Ok(answer)
    }

    /// Reads an answer as a whole.
    ///
    /// # Errors
    /// 502 if it is larger than the limit, encoded or not, or breaks off, 504 if it stops coming.
    pub async fn read(&self, reply: Reply) -> Result<ReadAnswer, XrpcError> {
        let proxy = &self.settings.proxy;
        let headers = reply.response.headers().clone();
        let encoded = read(reply.response, proxy.max_response_bytes, proxy.body_timeout).await?;
        let limit = usize::try_from(proxy.max_response_bytes).unwrap_or(usize::MAX);
        let body = match decode::decode(&headers, &encoded, limit) {
            Ok(body) => Some(body),
            Err(Undecoded::Unreadable) => None,
            Err(Undecoded::TooLarge) => return Err(too_large()),
        };
        Ok(ReadAnswer { headers, encoded, body })
    }
}

impl ReadAnswer {
    /// The answer as it came, for the client.
    pub fn unchanged(self) -> Answer {
        let mut answer = Answer::new(Body::from(self.encoded));
        *answer.headers_mut() = headers::of_answer(&self.headers);
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        answer
    }

    /// The headers for an answer with another body.
    pub fn headers_besides_body(&self) -> HeaderMap {
        headers::besides_body(&self.headers)
    }
}

/// The error that a service answers with: its own name and message if it gives some, 502 for its 500.
pub(super) async fn error(response: Response, max_bytes: u64, body_timeout: Duration) -> XrpcError {
    let max_bytes = max_bytes.min(MAX_ERROR_BYTES);
    let upstream = response.status();
    let status = if upstream == StatusCode::INTERNAL_SERVER_ERROR {
        StatusCode::BAD_GATEWAY
    } else {
        upstream
    };
    let response_headers = response.headers().clone();
    let said = if is_json(&response_headers) {
        let bytes = read(response, max_bytes, body_timeout).await.ok();
        let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let bytes = bytes.and_then(|bytes| decode::decode(&response_headers, &bytes, limit).ok());
        bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
    } else {
        None
    };
    let text = |name: &str, limit: usize| {
        let text = said.as_ref()?.get(name)?.as_str()?;
        Some(text.chars().take(limit).collect::<String>())
    };
    let (name, message) = usual(status);
    let name = text("error", MAX_ERROR_NAME).map_or(Cow::Borrowed(name), Cow::Owned);
    let message = text("message", MAX_ERROR_MESSAGE).unwrap_or_else(|| message.to_owned());
    let mut error = XrpcError::new(status, name, message);
    for (name, value) in headers::besides_body(&response_headers) {
        if let Some(name) = name {
            error = error.with_header(name, value);
        }
    }
    error
}

/// Whether a body is JSON, or does not say what it is.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The name and message of an error that has none of its own.
fn usual(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        401 => ("AuthenticationRequired", "Authentication Required"),
        403 => ("Forbidden", "Forbidden"),
        404 => ("XRPCNotSupported", "XRPC Not Supported"),
        406 => ("NotAcceptable", "Not Acceptable"),
        413 => ("PayloadTooLarge", "Payload Too Large"),
        415 => ("UnsupportedMediaType", "Unsupported Media Type"),
        429 => ("RateLimitExceeded", "Rate Limit Exceeded"),
        501 => ("MethodNotImplemented", "Method Not Implemented"),
        502 => ("UpstreamFailure", "Upstream Failure"),
        503 => ("NotEnoughResources", "Not Enough Resources"),
        504 => ("UpstreamTimeout", "Upstream Timeout"),
        400..=499 => ("InvalidRequest", "Invalid Request"),
        _ => ("InternalServerError", "Internal Server Error"),
    }
}

async fn read(mut response: Response, max_bytes: u64, body_timeout: Duration) -> Result<Vec<u8>, XrpcError> {
    let end = Instant::now() + MAX_ANSWER_TIME;
    let mut body = Vec::new();
    loop {
        let chunk = timeout_at(end, timeout(body_timeout, response.chunk())).await;
        let chunk = chunk.ok().and_then(Result::ok).ok_or_else(super::exchange::too_slow)?;
        match chunk.map_err(|_| XrpcError::upstream_failure("Upstream service broke off"))? {
            None => return Ok(body),
            Some(chunk) if body.len() as u64 + chunk.len() as u64 > max_bytes => return Err(too_large()),
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}

/// The answer's body, cut off (which the client sees, because the connection breaks) where it is too large or too slow.
fn paced(reply: Reply, max_bytes: u64, body_timeout: Duration) -> Body {
    let end = Instant::now() + MAX_ANSWER_TIME;
    Body::from_stream(stream::try_unfold(
        (reply, max_bytes),
        move |(mut reply, left)| async move {
            let chunk = timeout_at(end, timeout(body_timeout, reply.response.chunk())).await;
            let chunk = chunk.ok().and_then(Result::ok).ok_or(io::ErrorKind::TimedOut)?;
            let Some(chunk) = chunk.map_err(io::Error::other)? else {
                return Ok(None);
            };
            let left = left
                .checked_sub(chunk.len() as u64)
                .ok_or(io::ErrorKind::FileTooLarge)?;
            Ok::<_, io::Error>(Some((chunk, (reply, left))))
        },
    ))
}

fn too_large() -> XrpcError {
    XrpcError::upstream_failure("Upstream service's answer is too large")
}
