//! One id, one line in the log and one count for every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;

use crate::observe::metrics;

/// The header by which operators and users can point at a request.
pub(in crate::server) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What machines ask every few seconds is logged at debug level.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/xrpc/_health"];
/// Routes that are counted under their own path; methods are counted under their name, all else as `other`.
const COUNTED_PATHS: [&str; 8] = [
    "/",
    "/robots.txt",
    "/livez",
    "/readyz",
    "/tls-check",
    "/xrpc/_health",
    "/.well-known/did.json",
    "/.well-known/atproto-did",
];
/// Longer paths are cut in the log.
const MAX_LOGGED_PATH: usize = 256;

/// Where request ids come from: a counter from a random start. What clients send as their id is not used.
#[derive(Clone, Debug)]
pub struct RequestIds(Arc<AtomicU64>);

impl RequestIds {
    /// Begins at `start`, which should be random so that the ids of two runs differ.
    pub fn starting_at(start: u64) -> Self {
        Self(Arc::new(AtomicU64::new(start)))
    }

    fn next(&self) -> String {
        format!("{:016x}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a request is counted as, in the extensions of its answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct CountedAs(pub(in crate::server) &'static str);

/// A request whose answer has not begun.
struct InFlight;

static IN_FLIGHT: AtomicU64 = AtomicU64::new(0);

impl InFlight {
    fn begin() -> InFlight {
        metrics::HTTP_IN_FLIGHT.set_count([], IN_FLIGHT.fetch_add(1, Ordering::Relaxed) + 1);
        InFlight
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::HTTP_IN_FLIGHT.set_count([], IN_FLIGHT.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

/// Runs the request in a span that has its id, logs its outcome and names the id in the answer. Query strings, headers and bodies are
/// not logged: they may hold secrets.
pub(in crate::server) async fn log<F: Future<Output = Response>>(
    ids: &RequestIds,
    request: Request,
    rest: impl FnOnce(Request) -> F,
) -> Response {
    let id = ids.next();
    let method = request.method().clone();
    let path = shortened(request.uri().path()).to_owned();
    // At the level of errors, so that those carry the id whatever else is filtered out.
    let span = tracing::error_span!("request", id = %id);
    let started = Instant::now();
    let in_flight = InFlight::begin();
    let mut response = rest(request).instrument(span.clone()).await;
    drop(in_flight);
    let elapsed = started.elapsed();
    count(&path, &response, elapsed);
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    span.in_scope(|| {
        if PROBES.contains(&path.as_str()) {
            tracing::debug!(%method, path, status, micros, "answered");
        } else {
            tracing::info!(%method, path, status, micros, "answered");
        }
    });
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn count(path: &str, response: &Response, elapsed: Duration) {
    let method = match response.extensions().get() {
        Some(CountedAs(method)) => method,
        None => COUNTED_PATHS
            .into_iter()
            .find(|known| *known == path)
            .unwrap_or("other"),
    };
    metrics::HTTP_REQUESTS.increment([method, status_text(response.status())]);
    // A subscription lasts as long as its client likes.
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        metrics::HTTP_REQUEST_TIME.record_time([method], elapsed);
    }
}

/// The status as text; an unusual one, which only a proxied service can send, by its class.
fn status_text(status: StatusCode) -> &'static str {
    const USUAL: [(u16, &str); 29] = [
        (101, "101"),
        (200, "200"),
        (204, "204"),
        (206, "206"),
        (301, "301"),
        (302, "302"),
        (303, "303"),
        (304, "304"),
        (307, "307"),
        (308, "308"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (408, "408"),
        (409, "409"),
        (411, "411"),
        (413, "413"),
        (414, "414"),
        (415, "415"),
        (416, "416"),
        (426, "426"),
        (429, "429"),
        (500, "500"),
        (501, "501"),
        (502, "502"),
        (503, "503"),
        (504, "504"),
    ];
    let code = status.as_u16();
    let found = USUAL.binary_search_by_key(&code, |(usual, _)| *usual);
    match found {
        Ok(index) => USUAL[index].1,
        Err(_) => match code / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        },
    }
}

fn shortened(path: &str) -> &str {
    path.get(..MAX_LOGGED_PATH.min(path.len())).unwrap_or("(not text)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_and_around() {
        let ids = RequestIds::starting_at(u64::MAX);
        assert_eq!(ids.next(), "ffffffffffffffff");
        assert_eq!(ids.next(), "0000000000000000");
    }

    #[test]
    fn statuses_are_a_closed_set() {
        let text = |code| status_text(StatusCode::from_u16(code).unwrap_or_default());
        assert_eq!(
            [text(200), text(418), text(504), text(799)],
            ["200", "4xx", "504", "5xx"]
        );
        let known: std::collections::BTreeSet<_> = (100..1_000).map(text).collect();
        assert_eq!(known.len(), 29 + 5);
    }

    #[test]
    fn long_paths_are_cut() {
        assert_eq!(shortened("/xrpc/a"), "/xrpc/a");
        assert_eq!(shortened(&"/".repeat(1_000)).len(), MAX_LOGGED_PATH);
    }
}
