//! Reading bodies: whether there is one, of which type, and never more of it than the method allows.

use std::error::Error;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::error::XrpcError;
use super::input::Input;
use super::method::Accepts;
use super::middleware::pace::TooSlow;
use crate::causes::causes;

const JSON: &str = "application/json";

/// The chunks of a body, of at most so many bytes together.
#[derive(Debug)]
pub struct Chunks(Limited<Body>);

impl Chunks {
    pub(super) fn new(body: Body, limit: usize) -> Result<Self, XrpcError> {
        if exceeds(&body, limit) {
            return Err(XrpcError::stream_too_large());
        }
        Ok(Self(Limited::new(body, limit)))
    }

    /// The next chunk, or `None` at the end.
    ///
    /// # Errors
    /// 413 `PayloadTooLarge` beyond the limit, 408 for a body that comes too slowly, 400 for one that breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, XrpcError> {
        while let Some(frame) = self.0.frame().await {
            match frame {
                Ok(frame) => {
                    if let Ok(chunk) = frame.into_data() {
                        return Ok(Some(chunk));
                    }
                }
                Err(error) => return Err(refusal(error.as_ref(), XrpcError::stream_too_large())),
            }
        }
        Ok(None)
    }
}

/// What a method gets of a body: the parsed JSON or the unread bytes, as it accepts.
pub(super) async fn admit(accepts: Accepts, headers: &HeaderMap, body: Body) -> Result<(Input, Body), XrpcError> {
    let presence = presence(headers, &body);
    if accepts == Accepts::Nothing {
        refuse(headers, presence, body).await?;
        return Ok((Input::default(), Body::empty()));
    }
    if presence == Presence::Missing {
        return Err(XrpcError::invalid_request(
            "A request body is expected but none was provided",
        ));
    }
    let media_type = media_type(headers)?;
    let expected = match accepts {
        Accepts::Json(_) => Some(JSON),
        Accepts::Media(name) => Some(name),
        Accepts::AnyMedia | Accepts::Nothing => None,
    };
    if expected.is_some_and(|expected| !media_type.eq_ignore_ascii_case(expected)) {
        return Err(XrpcError::invalid_request(format!(
            "Wrong request encoding (Content-Type): {media_type}"
        )));
    }
    check_content_encoding(headers)?;
    let Accepts::Json(limit) = accepts else {
        return Ok((Input::default(), body));
    };
    check_charset(headers)?;
    let bytes = read(body, limit).await?;
    // A body of no bytes is an object without fields, as in the reference: clients send it where all fields are optional.
    let input = if bytes.is_empty() {
        Input::default()
    } else {
        Input::parse(&bytes)?
    };
    Ok((input, Body::empty()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// The request says nothing of a body.
    Missing,
    /// The request says that its body is empty.
    Empty,
    /// There is a body, or at least its framing.
    Present,
}

fn presence(headers: &HeaderMap, body: &Body) -> Presence {
    match headers.get(header::CONTENT_LENGTH) {
        _ if headers.contains_key(header::TRANSFER_ENCODING) => Presence::Present,
        Some(length) if length == "0" => Presence::Empty,
        None if body.is_end_stream() => Presence::Missing,
        _ => Presence::Present,
    }
}

/// Refuses a body where none is expected. Chunked framing alone is no body: proxies add it.
async fn refuse(headers: &HeaderMap, presence: Presence, body: Body) -> Result<(), XrpcError> {
    let unexpected = || XrpcError::invalid_request("A request body was provided when none was expected");
    match presence {
        Presence::Missing | Presence::Empty => Ok(()),
        Presence::Present if headers.contains_key(header::CONTENT_LENGTH) => Err(unexpected()),
        Presence::Present => match Limited::new(body, 0).collect().await {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(error.as_ref(), unexpected())),
        },
    }
}

/// Reads a body of at most `limit` bytes. One that is announced to be larger is not read at all.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, XrpcError> {
    if exceeds(&body, limit) {
        return Err(XrpcError::payload_too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(refusal(error.as_ref(), XrpcError::payload_too_large())),
    }
}

fn exceeds(body: &Body, limit: usize) -> bool {
    usize::try_from(body.size_hint().lower()).map_or(true, |least| least > limit)
}

/// The answer to a body that could not be read to its end.
fn refusal(error: &(dyn Error + 'static), too_large: XrpcError) -> XrpcError {
    match fault_of(error) {
        Some(Fault::TooLarge) => too_large,
        Some(Fault::TooSlow) => XrpcError::request_timeout(),
        None => unreadable(),
    }
}

/// The answer to a client whose body, passed on as a stream, made `error`: 413 if it is too large, 408 if it comes too slowly, 400 if it
/// breaks off, `None` if the error is not the body's.
pub(crate) fn streaming_fault(error: &(dyn Error + 'static)) -> Option<XrpcError> {
    match fault_of(error) {
        Some(Fault::TooLarge) => Some(XrpcError::stream_too_large()),
        Some(Fault::TooSlow) => Some(XrpcError::request_timeout()),
        // So come all errors of requests' bodies, and no others.
        None => causes(error).any(<dyn Error>::is::<axum::Error>).then(unreadable),
    }
}

fn unreadable() -> XrpcError {
    XrpcError::invalid_request("The request body could not be read")
}

enum Fault {
    TooLarge,
    TooSlow,
}

fn fault_of(error: &(dyn Error + 'static)) -> Option<Fault> {
    causes(error).find_map(|cause| {
        if cause.is::<LengthLimitError>() {
            Some(Fault::TooLarge)
        } else if cause.is::<TooSlow>() {
            Some(Fault::TooSlow)
        } else {
            None
        }
    })
}

/// The type and subtype of the `Content-Type` header.
pub(super) fn media_type(headers: &HeaderMap) -> Result<&str, XrpcError> {
    let missing = || XrpcError::invalid_request("Request encoding (Content-Type) required but not provided");
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(missing)?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    let (main, sub) = essence.split_once('/').ok_or_else(missing)?;
    if is_token(main) && is_token(sub) {
        Ok(essence)
    } else {
        Err(missing())
    }
}

/// A token of [RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// JSON is UTF-8. `charset` is not a parameter of its media type, but clients send it.
fn check_charset(headers: &HeaderMap) -> Result<(), XrpcError> {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let charset = value
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.trim().split_once('='));
    for (name, charset) in charset {
        let charset = charset.trim_matches('"').to_ascii_uppercase();
        if name.eq_ignore_ascii_case("charset") && charset != "UTF-8" && charset != "UTF8" {
            return Err(XrpcError::unsupported_media_type(format!(
                "unsupported charset \"{charset}\""
            )));
        }
    }
    Ok(())
}

/// Encodings that we know have been undone (and their header removed) by the decompression layer: what is left is none or unknown.
fn check_content_encoding(headers: &HeaderMap) -> Result<(), XrpcError> {
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"") => Ok(()),
        Some(name) if name.eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(XrpcError::unsupported_media_type("unsupported content-encoding")),
    }
}

#[cfg(test)]
mod tests;
