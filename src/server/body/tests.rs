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
    let cases: [(&[(&str, &str)], &str); 10] = [
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
        (&[("content-type", "application/json"), ("content-encoding", "")], "ok"),
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
