//! Which parts of the server a `Host` may see.
//!
//! Handles are hosts too: their browsers' pages could share an origin with ours, so a handle's host serves the handle's DID and nothing
//! else but the probes. Every other host (the hostname, an IP, a Kubernetes Service, none) has the API. Pages with cookies are on the
//! hostname only.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::server::application::{Application, Site};
use crate::server::error::XrpcError;
use crate::server::routes;

/// What a handle's host serves.
const ON_EVERY_HOST: [&str; 5] = [
    "/.well-known/atproto-did",
    "/livez",
    "/readyz",
    "/tls-check",
    "/xrpc/_health",
];

/// The host of a request: lower-case, without its port. Empty if the request names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct RequestHost(pub(in crate::server) String);

/// What a host is to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// `PDS_HOSTNAME`.
    Hostname,
    /// Under a domain of handles.
    Handle,
    /// Anything else.
    Other,
}

/// Keeps handle hosts to what they may serve and notes the host for the routes.
pub(in crate::server) async fn guard<S: Application, F: Future<Output = Response>>(
    app: &S,
    mut request: Request,
    rest: impl FnOnce(Request) -> F,
) -> Response {
    let Some(host) = host_of(&request) else {
        return XrpcError::invalid_request("The request must name one host").into_response();
    };
    if role(&host, app.site()) == Role::Handle && !ON_EVERY_HOST.contains(&request.uri().path()) {
        return routes::not_found();
    }
    request.extensions_mut().insert(RequestHost(host));
    rest(request).await
}

/// Keeps pages to the hostname.
pub(in crate::server) async fn only_on_hostname<S: Application>(
    State(app): State<Arc<S>>,
    request: Request,
    next: Next,
) -> Response {
    match host_of(&request) {
        Some(host) if role(&host, app.site()) == Role::Hostname => next.run(request).await,
        _ => routes::not_found(),
    }
}

fn role(host: &str, site: &Site) -> Role {
    if host == site.hostname {
        Role::Hostname
    } else if site
        .handle_domains
        .iter()
        .any(|domain| host.len() > domain.len() && host.ends_with(domain.as_str()))
    {
        Role::Handle
    } else {
        Role::Other
    }
}

/// The host that a request names, or `None` if it names several or one that is not text.
fn host_of(request: &Request) -> Option<String> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let host = match (headers.next(), headers.next()) {
        (Some(host), None) => host.to_str().ok()?,
        (None, _) => request.uri().host().unwrap_or_default(),
        (Some(_), Some(_)) => return None,
    };
    Some(without_port(host).trim_end_matches('.').to_ascii_lowercase())
}

/// Cuts `:port` off, also after an IPv6 address in brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::body::Body;

    use super::*;
    use crate::server::testing;

    #[test]
    fn hosts_have_their_roles() {
        let site = testing::site();
        let cases = [
            ("pds.test", Role::Hostname),
            ("alice.test", Role::Handle),
            ("a.b.test", Role::Handle),
            (".test", Role::Other),
            ("test", Role::Other),
            ("alice.example.com", Role::Other),
            ("evil-test", Role::Other),
            ("127.0.0.1", Role::Other),
            ("localhost", Role::Other),
            ("", Role::Other),
        ];
        for (host, expected) in cases {
            assert_eq!(role(host, &site), expected, "{host}");
        }
    }

    #[test]
    fn hosts_are_read_without_port_and_case() {
        let host =
            |value: &str| host_of(&Request::builder().header("host", value).body(Body::empty()).unwrap()).unwrap();
        assert_eq!(host("PDS.test:2583"), "pds.test");
        assert_eq!(host("pds.test."), "pds.test");
        assert_eq!(host("[::1]:80"), "[::1]");
        assert_eq!(host("[::1]"), "[::1]");
        let absolute = Request::builder()
            .uri("http://Alice.test:80/x")
            .body(Body::empty())
            .unwrap();
        assert_eq!(host_of(&absolute).unwrap(), "alice.test");
        let two = Request::builder()
            .header("host", "a")
            .header("host", "b")
            .body(Body::empty())
            .unwrap();
        assert_eq!(host_of(&two), None);
    }
}
