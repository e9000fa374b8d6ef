//! Which headers travel with a call that is passed on. All others stay: credentials, cookies, DPoP proofs, hop-by-hop headers.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::REPO_REV;

/// Headers of a request that a service gets as they are.
const REQUEST: [HeaderName; 3] = [
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("atproto-accept-labelers"),
    HeaderName::from_static("x-bsky-topics"),
];
/// Prefix of further ones.
const REQUEST_PREFIX: &str = "x-atproto-";
/// Headers that describe a request's body.
const REQUEST_BODY: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH];
/// Headers that describe an answer's body.
const ANSWER_BODY: [HeaderName; 4] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_LANGUAGE,
];
/// Further headers of an answer that a client gets, of errors too.
const ANSWER: [HeaderName; 3] = [
    HeaderName::from_static(REPO_REV),
    HeaderName::from_static("atproto-content-labelers"),
    header::RETRY_AFTER,
];

/// Which encodings of the answer are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// What the client takes: the answer is passed on unread.
    AsClient,
    /// Of what the client takes, what we can read too, uncompressed first.
    Readable,
    /// The same, compressed first (`PDS_PROXY_PREFER_COMPRESSED`).
    ReadablePreferCompressed,
}

/// The headers of a request without a body that go to the service.
pub fn passed_on(client: &HeaderMap, encoding: Encoding) -> HeaderMap {
    let mut passed = HeaderMap::new();
    passed.insert(header::ACCEPT_ENCODING, accept_encoding(client, encoding));
    for name in &REQUEST {
        copy(client, &mut passed, name);
    }
    let prefixed = client.keys().filter(|name| name.as_str().starts_with(REQUEST_PREFIX));
    for name in prefixed {
        copy(client, &mut passed, name);
    }
    passed
}

/// The headers that describe the request's body.
pub(super) fn of_request_body(client: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in &REQUEST_BODY {
        copy(client, &mut passed, name);
    }
    passed
}

/// The headers of an answer whose body is passed on.
pub(super) fn of_answer(service: &HeaderMap) -> HeaderMap {
    let mut passed = besides_body(service);
    for name in &ANSWER_BODY {
        copy(service, &mut passed, name);
    }
    passed
}

/// The headers of an answer whose body is replaced.
pub(super) fn besides_body(service: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in &ANSWER {
        copy(service, &mut passed, name);
    }
    passed
}

/// Copies a header; one in several lines is a list ([RFC 9110 §5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)) in one.
fn copy(from: &HeaderMap, to: &mut HeaderMap, name: &HeaderName) {
    let lines = from.get_all(name);
    let mut values = lines.iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return,
        (Some(only), None) => only.clone(),
        _ => {
            let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
            let Ok(list) = HeaderValue::from_bytes(&lines.join(&b", "[..])) else {
                return;
            };
            list
        }
    };
    to.insert(name, value);
}

fn accept_encoding(client: &HeaderMap, encoding: Encoding) -> HeaderValue {
    let identity = HeaderValue::from_static("identity");
    let Some(asked) = client.get(header::ACCEPT_ENCODING) else {
        return identity;
    };
    let weights = match encoding {
        Encoding::AsClient => return asked.clone(),
        Encoding::Readable => ["identity;q=1", "gzip;q=0.3", "deflate;q=0.2"],
        Encoding::ReadablePreferCompressed => ["gzip;q=1", "deflate;q=0.9", "identity;q=0.3"],
    };
    let asked = asked.to_str().unwrap_or_default();
    let takes = |name: &str| name == "identity" || accepts(asked, name);
    let offered = weights
        .into_iter()
        .filter(|weighted| takes(weighted.split(';').next().unwrap_or_default()));
    HeaderValue::try_from(offered.collect::<Vec<_>>().join(",")).unwrap_or(identity)
}

/// Whether an `Accept-Encoding` takes an encoding ([RFC 9110 §12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)).
fn accepts(asked: &str, name: &str) -> bool {
    asked.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|coding| coding.eq_ignore_ascii_case(name) || coding == "*");
        named && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_named_headers_travel() {
        let client = map(&[
            ("authorization", "Bearer secret"),
            ("cookie", "secret"),
            ("dpop", "secret"),
            ("host", "pds.test"),
            ("connection", "close"),
            ("x-forwarded-for", "1.2.3.4"),
            ("accept-encoding", "br, gzip"),
            ("accept-language", "de"),
            ("atproto-accept-labelers", "did:example:labeler;redact"),
            ("atproto-proxy", "did:web:a.example#b"),
            ("x-atproto-thing", "1"),
            ("x-bsky-topics", "a"),
            ("content-type", "application/json"),
            ("content-length", "2"),
        ]);
        let expected = map(&[
            ("accept-encoding", "br, gzip"),
            ("accept-language", "de"),
            ("atproto-accept-labelers", "did:example:labeler;redact"),
            ("x-atproto-thing", "1"),
            ("x-bsky-topics", "a"),
        ]);
        assert_eq!(passed_on(&client, Encoding::AsClient), expected);
        let body = map(&[("content-type", "application/json"), ("content-length", "2")]);
        assert_eq!(of_request_body(&client), body);
        let service = map(&[
            ("set-cookie", "a=b"),
            ("location", "http://127.0.0.1"),
            ("transfer-encoding", "chunked"),
            ("www-authenticate", "Bearer"),
            ("access-control-allow-origin", "https://a.example"),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
            ("atproto-repo-rev", "3abc"),
            ("retry-after", "5"),
        ]);
        let besides = map(&[("atproto-repo-rev", "3abc"), ("retry-after", "5")]);
        assert_eq!(besides_body(&service), besides);
        let mut all = besides;
        all.extend(map(&[
            ("content-encoding", "gzip"),
            ("content-type", "application/json"),
        ]));
        assert_eq!(of_answer(&service), all);
    }

    #[test]
    fn lines_of_one_header_are_one_list() {
        let mut client = HeaderMap::new();
        for labeler in ["did:example:a", "did:example:b;redact, did:example:c"] {
            client.append("atproto-accept-labelers", labeler.parse().unwrap());
        }
        let passed = passed_on(&client, Encoding::AsClient);
        let labelers: Vec<_> = passed.get_all("atproto-accept-labelers").iter().collect();
        assert_eq!(labelers, ["did:example:a, did:example:b;redact, did:example:c"]);
    }

    #[test]
    fn encodings_are_those_that_both_understand() {
        for (asked, encoding, expected) in [
            (Some("gzip, deflate"), Encoding::AsClient, "gzip, deflate"),
            (None, Encoding::AsClient, "identity"),
            (
                Some("gzip, deflate"),
                Encoding::Readable,
                "identity;q=1,gzip;q=0.3,deflate;q=0.2",
            ),
            (Some("br, GZIP;q=0.5"), Encoding::Readable, "identity;q=1,gzip;q=0.3"),
            (
                Some("gzip;q=0, deflate"),
                Encoding::Readable,
                "identity;q=1,deflate;q=0.2",
            ),
            (
                Some("*"),
                Encoding::ReadablePreferCompressed,
                "gzip;q=1,deflate;q=0.9,identity;q=0.3",
            ),
            (Some("br"), Encoding::Readable, "identity;q=1"),
            (None, Encoding::Readable, "identity"),
        ] {
            let mut client = HeaderMap::new();
            if let Some(asked) = asked {
                client.insert(header::ACCEPT_ENCODING, asked.parse().unwrap());
            }
            assert_eq!(accept_encoding(&client, encoding), expected, "{asked:?}");
        }
    }
}
