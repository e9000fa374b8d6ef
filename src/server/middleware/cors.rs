//! Cross-origin requests: the API is open to every web page, without cookies ([Fetch, CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
/// The headers of our answers that scripts may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "DPoP-Nonce, WWW-Authenticate, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After, \
     Atproto-Repo-Rev, Atproto-Content-Labelers, X-Request-Id",
);

/// Answers preflights (204, the requested headers allowed) and opens all answers to every origin.
pub(in crate::server) async fn open<F: Future<Output = Response>>(
    request: Request,
    rest: impl FnOnce(Request) -> F,
) -> Response {
    if request.method() == Method::OPTIONS {
        return preflight(request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS));
    }
    let mut response = rest(request).await;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

fn preflight(requested: Option<&HeaderValue>) -> Response {
    let fixed: [(HeaderName, HeaderValue); 4] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN),
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        (header::VARY, HeaderValue::from_static("Access-Control-Request-Headers")),
    ];
    let mut response = (StatusCode::NO_CONTENT, fixed).into_response();
    if let Some(requested) = requested {
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    response
}
