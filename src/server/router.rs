//! All routes and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state, map_request, map_response};
use axum::response::IntoResponse;
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
    let api = Router::new()
        .route("/", get(routes::root))
        .route("/robots.txt", get(routes::robots))
        .route("/livez", get(routes::livez))
        .route("/readyz", get(routes::readyz::<S>))
        .route("/tls-check", get(routes::tls_check::<S>))
        .route("/xrpc/_health", get(routes::health::<S>))
        .route("/.well-known/did.json", get(routes::did_document::<S>))
        .route("/.well-known/atproto-did", get(routes::atproto_did::<S>))
        .with_state(app.clone())
        .fallback_service(dispatch::<S>.with_state(dispatcher))
        .layer(CatchPanicLayer::custom(panic::answer))
        .layer(from_fn(cors::open));
    let pages = pages
        .layer(CatchPanicLayer::custom(panic::answer))
        .layer(from_fn_with_state(app.clone(), host::only_on_hostname::<S>));
    let router = api
        .merge(pages)
        .layer(from_fn_with_state(app.clone(), meter::measure::<S>))
        .layer(from_fn_with_state(app, host::guard::<S>));
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
        .fallback(all_else);
    within_bounds(router, ids)
}

/// The layers that every answer passes. The last one added is the outermost.
fn within_bounds(router: Router, ids: RequestIds) -> Router {
    router
        .layer(map_response(compress::vary))
        .layer(compress::layer())
        .layer(from_fn(decompress::undo))
        .layer(from_fn(drain::drain))
        .layer(map_request(pace::pace))
        .layer(from_fn(uri_length::limit))
        .layer(from_fn_with_state(ids, request_log::log))
}

#[cfg(test)]
mod tests;
