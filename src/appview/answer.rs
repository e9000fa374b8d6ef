//! A service's answer on its way to the client: streamed, or read within limits.

use std::borrow::Cow;
use std::io;
use std::mem;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response as Answer;
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::capacity::Place;
use super::client_pace::at_own_pace;
use super::decode::Undecoded;
use super::{AppView, Reply, decode, headers};
use crate::server::XrpcError;

/// How long a service may take for a whole answer, however steadily it trickles.
const MAX_ANSWER_TIME: Duration = Duration::from_mins(10);
/// The same where the answer is read as a whole, and takes memory until it is.
const MAX_READ_TIME: Duration = Duration::from_secs(30);
/// The longest name and message of a service's error that are passed on, in characters.
const MAX_ERROR_NAME: usize = 200;
const MAX_ERROR_MESSAGE: usize = 5_000;
/// The largest body of an error that is read, in bytes, before and after its encoding is undone.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// An answer of at most so many bytes, announced, goes to the client as it takes it: over HTTP/1.1 it is taken whole, whatever the client does.
const SMALL: u64 = 64 << 10;
/// JSON of so many bytes is worked on where it does not hold up others.
const LARGE: usize = 128 << 10;
/// JSON that was parsed takes so many times its bytes.
const PARSED: usize = 4;

/// An answer that was read as a whole.
pub struct ReadAnswer {
    /// Its body, if it is JSON.
    pub json: Option<Value>,
    headers: HeaderMap,
    /// Its body as it came.
    encoded: Vec<u8>,
    /// Bytes of its body.
    length: usize,
    /// With the memory that it takes.
    _place: Place,
}

/// An answer that was not read as a whole.
pub struct Unread {
    /// Why.
    pub error: XrpcError,
    /// The answer, if it is merely too large for what there is room for: it can still be passed on.
    pub reply: Option<Box<Reply>>,
}

impl AppView {
    /// Passes an answer on as it comes. One that is larger than the limit, or stops coming, is cut off.
    ///
    /// # Errors
    /// 502 if it says that it is larger than the limit.
    pub fn pass_on(&self, reply: Reply) -> Result<Answer, XrpcError> {
        let proxy = &self.settings.proxy;
        let length = reply.response.content_length();
        if length.is_some_and(|length| length > proxy.max_response_bytes) {
            return Err(too_large());
        }
        let mut answer = Answer::new(Body::empty());
        *answer.status_mut() = reply.response.status();
        *answer.headers_mut() = headers::of_answer(reply.response.headers());
        let chunks = paced(reply, proxy.max_response_bytes, proxy.body_timeout);
        *answer.body_mut() = if length.is_some_and(|length| length <= SMALL) {
            Body::from_stream(chunks)
        } else {
            Body::from_stream(at_own_pace(chunks))
        };
        Ok(answer)
    }

    /// Reads an answer of at most `max_bytes`, or what the settings allow, as a whole.
    ///
    /// # Errors
    /// 502 if it is larger than the limit, encoded or not, or breaks off, 503 if too much is read at the moment, 504 if it stops coming.
    pub async fn read(&self, reply: Reply, max_bytes: u64) -> Result<ReadAnswer, Unread> {
        let proxy = &self.settings.proxy;
        let max_bytes = max_bytes.min(proxy.max_response_bytes);
        let reply = read(reply, max_bytes, proxy.body_timeout).await?;
        let bytes = reply.begun.len();
        let is_encoded = reply.response.headers().contains_key(header::CONTENT_ENCODING);
        // What is encoded may become large.
        let work = if is_encoded { LARGE.max(bytes) } else { bytes };
        work_on(work, move || parse(reply, max_bytes)).await?
    }
}

/// Does work on JSON of so many bytes, elsewhere if it takes long.
///
/// # Errors
/// 500 if the work panics.
pub async fn work_on<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, XrpcError> {
    if bytes < LARGE {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| XrpcError::internal(&error))
}

fn parse(mut reply: Reply, max_bytes: u64) -> Result<ReadAnswer, Unread> {
    let (json, length) = match json(&mut reply, max_bytes) {
        Ok(found) => found,
        Err(error) => return Err(Unread::still_whole(error, reply)),
    };
    Ok(ReadAnswer {
        headers: reply.response.headers().clone(),
        encoded: if json.is_some() { Vec::new() } else { reply.begun },
        json,
        length,
        _place: reply.place,
    })
}

/// What an answer that was read says, if it is JSON, and its length in bytes.
fn json(reply: &mut Reply, max_bytes: u64) -> Result<(Option<Value>, usize), XrpcError> {
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let room = &mut reply.place.room;
    match decode::decode(reply.response.headers(), &reply.begun, limit, room) {
        Ok(body) => {
            room.grow(body.len() * PARSED)?;
            Ok((serde_json::from_slice(&body).ok(), body.len()))
        }
        Err(Undecoded::Unreadable) => Ok((None, reply.begun.len())),
        Err(Undecoded::TooLarge(error)) => Err(error),
    }
}

impl Unread {
    fn still_whole(error: XrpcError, reply: Reply) -> Unread {
        let reply = Some(Box::new(reply));
        Unread { error, reply }
    }
}

impl From<XrpcError> for Unread {
    fn from(error: XrpcError) -> Unread {
        Unread { error, reply: None }
    }
}

impl From<Unread> for XrpcError {
    fn from(unread: Unread) -> XrpcError {
        unread.error
    }
}

impl ReadAnswer {
    /// The answer as it came, for the client, if it is no JSON.
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

    /// Bytes of its body.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// The error that a service answers with: its own name and message if it gives some, 502 for its 500.
pub(super) async fn error(reply: Reply, max_bytes: u64, body_timeout: Duration) -> XrpcError {
    let max_bytes = max_bytes.min(MAX_ERROR_BYTES);
    let upstream = reply.response.status();
    let status = if upstream == StatusCode::INTERNAL_SERVER_ERROR {
        StatusCode::BAD_GATEWAY
    } else {
        upstream
    };
    let headers = reply.response.headers().clone();
    let said = if is_json(&headers) {
        let whole = read(reply, max_bytes, body_timeout).await.ok();
        whole.and_then(|mut reply| json(&mut reply, max_bytes).ok()?.0)
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
    for (name, value) in headers::besides_body(&headers) {
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

/// Reads the whole body of an answer.
async fn read(mut reply: Reply, max_bytes: u64, body_timeout: Duration) -> Result<Reply, Unread> {
    let end = Instant::now() + MAX_READ_TIME;
    loop {
        let chunk = timeout_at(end, timeout(body_timeout, reply.response.chunk())).await;
        let chunk = chunk.ok().and_then(Result::ok).ok_or_else(super::exchange::too_slow)?;
        let Some(chunk) = chunk.map_err(|_| XrpcError::upstream_failure("Upstream service broke off"))? else {
            return Ok(reply);
        };
        let length = reply.begun.len() + chunk.len();
        if length as u64 > max_bytes {
            return Err(too_large().into());
        }
        let room = reply.place.room.grow(chunk.len());
        // Without room, too: what has come belongs to the answer.
        reply.begun.extend_from_slice(&chunk);
        if let Err(error) = room {
            return Err(Unread::still_whole(error, reply));
        }
    }
}

/// The answer's body, cut off (which the client sees, because the connection breaks) where it is too large or too slow.
fn paced(
    mut reply: Reply,
    max_bytes: u64,
    body_timeout: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let end = Instant::now() + MAX_ANSWER_TIME;
    let begun = Bytes::from(mem::take(&mut reply.begun));
    let left = max_bytes.saturating_sub(begun.len() as u64);
    let rest = stream::try_unfold((reply, left), move |(mut reply, left)| async move {
        let chunk = timeout_at(end, timeout(body_timeout, reply.response.chunk())).await;
        let chunk = chunk.ok().and_then(Result::ok).ok_or(io::ErrorKind::TimedOut)?;
        let Some(chunk) = chunk.map_err(io::Error::other)? else {
            return Ok(None);
        };
        let left = left
            .checked_sub(chunk.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(Some((chunk, (reply, left))))
    });
    stream::iter((!begun.is_empty()).then_some(Ok(begun))).chain(rest)
}

pub(super) fn too_large() -> XrpcError {
    XrpcError::upstream_failure("Upstream service's answer is too large")
}
