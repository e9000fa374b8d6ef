//! One id and one line in the log for every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;

/// The header by which operators and users can point at a request.
pub(in crate::server) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What machines ask every few seconds is logged at debug level.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/xrpc/_health"];
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

/// Runs the request in a span that has its id, logs its outcome and names the id in the answer. Query strings, headers and bodies are
/// not logged: they may hold secrets.
pub(in crate::server) async fn log(State(ids): State<RequestIds>, request: Request, next: Next) -> Response {
    let id = ids.next();
    let method = request.method().clone();
    let path = shortened(request.uri().path()).to_owned();
    // At the level of errors, so that those carry the id whatever else is filtered out.
    let span = tracing::error_span!("request", id = %id);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
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
    fn long_paths_are_cut() {
        assert_eq!(shortened("/xrpc/a"), "/xrpc/a");
        assert_eq!(shortened(&"/".repeat(1_000)).len(), MAX_LOGGED_PATH);
    }
}
