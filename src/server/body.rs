//! Reading bodies: whether there is one, of which type, and never more of it than the method allows.

use std::error::Error;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
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

/// Encodings that we know have been undone (and their header removed) by the decompression layer: what is left is unknown.
fn check_content_encoding(headers: &HeaderMap) -> Result<(), XrpcError> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(XrpcError::unsupported_media_type("unsupported content-encoding"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::http::HeaderValue;
    use futures_util::stream;

    use super::*;

    const REQUIRED: &str = "400 Request encoding (Content-Type) required but not provided";
    const UNEXPECTED: &str = "400 A request body was provided when none was expected";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    fn chunked(parts: &[&'static str]) -> Body {
        let parts: Vec<_> = parts.iter().map(|part| Ok::<_, std::io::Error>(*part)).collect();
        Body::from_stream(stream::iter(parts))
    }

    async fn outcome(accepts: Accepts, pairs: &[(&'static str, &'static str)], body: Body) -> String {
        match admit(accepts, &headers(pairs), body).await {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{} {}", error.status.as_u16(), error.message),
        }
    }

    #[tokio::test]
    async fn json_needs_its_content_type() {
        let json = Accepts::Json(20);
        let cases: [(&[(&str, &str)], &str); 9] = [
            (&[("content-type", "application/json")], "ok"),
            (&[("content-type", "Application/JSON; charset=utf-8")], "ok"),
            (&[], REQUIRED),
            (&[("content-type", "json")], REQUIRED),
            (&[("content-type", "a b/c")], REQUIRED),
            (
                &[("content-type", "text/plain")],
                "400 Wrong request encoding (Content-Type): text/plain",
            ),
            (
                &[("content-type", "application/json; charset=utf-16")],
                "415 unsupported charset \"UTF-16\"",
            ),
            (
                &[("content-type", "application/json"), ("content-encoding", "foo")],
                "415 unsupported content-encoding",
            ),
            (
                &[("content-type", "application/json"), ("content-encoding", "identity")],
                "ok",
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(outcome(json, pairs, Body::from("{}")).await, expected, "{pairs:?}");
        }
    }

    #[tokio::test]
    async fn json_needs_a_body_within_its_limit() {
        let json = [("content-type", "application/json")];
        let accepts = Accepts::Json(10);
        let expected = "400 A request body is expected but none was provided";
        assert_eq!(outcome(accepts, &json, Body::empty()).await, expected);
        let empty = [("content-type", "application/json"), ("content-length", "0")];
        assert_eq!(outcome(accepts, &empty, Body::empty()).await, "ok");
        assert_eq!(outcome(accepts, &json, chunked(&[""])).await, "ok");
        assert_eq!(
            outcome(accepts, &[("content-length", "0")], Body::empty()).await,
            REQUIRED
        );
        let too_large = "413 request entity too large";
        assert_eq!(outcome(accepts, &json, Body::from("{\"a\":12345}")).await, too_large);
        assert_eq!(
            outcome(accepts, &json, chunked(&["{\"a\":", "12345}"])).await,
            too_large
        );
        assert_eq!(outcome(accepts, &json, chunked(&["{\"a\":", "1}"])).await, "ok");
    }

    #[tokio::test]
    async fn nothing_means_nothing() {
        let nothing = Accepts::Nothing;
        assert_eq!(outcome(nothing, &[], Body::empty()).await, "ok");
        assert_eq!(outcome(nothing, &[("content-length", "0")], Body::empty()).await, "ok");
        assert_eq!(
            outcome(nothing, &[("content-length", "2")], Body::from("{}")).await,
            UNEXPECTED
        );
        assert_eq!(
            outcome(nothing, &[("transfer-encoding", "chunked")], chunked(&[""])).await,
            "ok"
        );
        assert_eq!(
            outcome(nothing, &[("transfer-encoding", "chunked")], chunked(&["{}"])).await,
            UNEXPECTED
        );
    }

    #[tokio::test]
    async fn media_pass_unread() {
        let (_, body) = admit(
            Accepts::AnyMedia,
            &headers(&[("content-type", "*/*")]),
            Body::from("bytes"),
        )
        .await
        .unwrap();
        assert_eq!(read(body, 10).await.unwrap(), "bytes");
        let car = Accepts::Media("application/vnd.ipld.car");
        let expected = "400 Wrong request encoding (Content-Type): application/json";
        assert_eq!(
            outcome(car, &[("content-type", "application/json")], Body::from("x")).await,
            expected
        );
        assert_eq!(outcome(Accepts::AnyMedia, &[], Body::from("x")).await, REQUIRED);
    }

    #[tokio::test]
    async fn chunks_stop_at_the_limit() {
        assert_eq!(
            Chunks::new(Body::from("123456"), 5).unwrap_err().error,
            "PayloadTooLarge"
        );
        let mut chunks = Chunks::new(chunked(&["123", "456"]), 5).unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap(), "123");
        assert_eq!(chunks.next().await.unwrap_err().error, "PayloadTooLarge");
        let mut chunks = Chunks::new(chunked(&["123", "45"]), 5).unwrap();
        assert!(chunks.next().await.unwrap().is_some());
        assert!(chunks.next().await.unwrap().is_some());
        assert!(chunks.next().await.unwrap().is_none());
    }
}
