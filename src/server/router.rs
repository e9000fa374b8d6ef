//! All routes and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use super::application::Application;
use super::dispatch::{Dispatcher, dispatch};
use super::error::XrpcError;
use super::health::{Health, Phase};
use super::method::Method;
use super::middleware::{compress, cors, decompress, drain, host, meter, pace, panic, request_log, uri_length};
use super::routes;

pub use super::middleware::request_log::RequestIds;

/// When to come back to a server that is starting, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// The whole server: the XRPC methods, the plain routes, and `pages`, which are served on the hostname only and keep their own CORS
/// rules. Pages must not have a fallback.
pub fn build<S: Application>(app: Arc<S>, methods: &'static [Method<S>], pages: Router, ids: RequestIds) -> Router {
    let dispatcher = Arc::new(Dispatcher::new(app.clone(), methods));
    let methods_of_xrpc = dispatch::<S>.with_state(dispatcher);
    let api = Router::new()
        .route("/", get(routes::root))
        .route("/robots.txt", get(routes::robots))
        .route("/livez", get(routes::livez))
        .route("/readyz", get(routes::readyz::<S>))
        .route("/tls-check", get(routes::tls_check::<S>))
        .route(
            "/xrpc/_health",
            get(routes::health::<S>).fallback_service(methods_of_xrpc.clone()),
        )
        .route("/.well-known/did.json", get(routes::did_document::<S>))
        .route("/.well-known/atproto-did", get(routes::atproto_did::<S>))
        .with_state(app.clone())
        .fallback_service(methods_of_xrpc)
        .layer(CatchPanicLayer::custom(panic::answer))
        .layer(from_fn(cors::open));
    let pages = pages
        .layer(CatchPanicLayer::custom(panic::answer))
        .layer(from_fn_with_state(app.clone(), host::only_on_hostname::<S>));
    let router = api.merge(pages).layer(from_fn_with_state(app, admit::<S>));
    within_bounds(router, ids)
}

/// What answers while [`build`] cannot yet: `/livez` says yes, all else 503 with the phase.
pub fn not_ready(phase: Phase, ids: RequestIds) -> Router {
    let health = Health {
        phase,
        ..Health::good()
    };
    let readyz = health.clone();
    let all_else = move || async move {
        let reason = health.not_ready().unwrap_or("starting");
        XrpcError::not_enough_resources(format!("The server is {reason}"))
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
            .into_response()
    };
    let router = Router::new()
        .route("/livez", get(routes::livez))
        .route("/readyz", get(move || async move { routes::readiness(&readyz) }))
        .fallback(all_else)
        .layer(map_response(async |response| compress::vary(response)));
    within_bounds(router, ids)
}

/// What all requests pass, outermost last. Every layer of a router copies, for each request, all that lie within it: so most of what
/// is done is not a layer of its own.
fn within_bounds(router: Router, ids: RequestIds) -> Router {
    router.layer(compress::layer()).layer(from_fn_with_state(ids, bound))
}

/// Bounds what a request may take, logs and counts it.
async fn bound(State(ids): State<RequestIds>, request: Request, next: Next) -> Response {
    let rest = |request| async {
        if let Some(refusal) = uri_length::refusal(&request) {
            return refusal;
        }
        drain::drain(pace::pace(request), |request| decompress::undo(request, next)).await
    };
    request_log::log(&ids, request, rest).await
}

/// Lets a request through to what its host may see, within its caller's limits.
async fn admit<S: Application>(State(app): State<Arc<S>>, request: Request, next: Next) -> Response {
    let measured = |request| meter::measure(&*app, request, |request| next.run(request));
    compress::vary(host::guard(&*app, request, measured).await)
}

#[cfg(test)]
mod tests;
