//! All routes and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::ServiceExt as _;

use super::application::Application;
use super::dispatch::{Dispatcher, XRPC, dispatch};
use super::error::XrpcError;
use super::health::{Health, Phase};
use super::method::Method;
use super::middleware::{compress, cors, decompress, drain, host, meter, pace, panic, request_log, uri_length};
use super::routes;

pub use super::middleware::request_log::RequestIds;

const HEALTH: &str = "/xrpc/_health";
/// When to come back to a server that is starting, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// What answers once the server is ready.
struct Server<S: Application> {
    app: Arc<S>,
    methods: Arc<Dispatcher<S>>,
    /// Everything that is not a method.
    others: Router,
}

/// The whole server: the XRPC methods, the plain routes, and `pages`, which are served on the hostname only and keep their own CORS
/// rules. Pages must not have a fallback.
pub fn build<S: Application>(app: Arc<S>, methods: &'static [Method<S>], pages: Router, ids: RequestIds) -> Router {
    let methods = Arc::new(Dispatcher::new(app.clone(), methods));
    let all_else = dispatch::<S>.with_state(methods.clone());
    let plain = Router::new()
        .route("/", get(routes::root))
        .route("/robots.txt", get(routes::robots))
        .route("/livez", get(routes::livez))
        .route("/readyz", get(routes::readyz::<S>))
        .route("/tls-check", get(routes::tls_check::<S>))
        .route(HEALTH, get(routes::health::<S>).fallback_service(all_else.clone()))
        .route("/.well-known/did.json", get(routes::did_document::<S>))
        .route("/.well-known/atproto-did", get(routes::atproto_did::<S>))
        .with_state(app.clone())
        .fallback_service(all_else)
        .layer(from_fn(|request, next: Next| {
            cors::open(request, |request| panic::isolate(next.run(request)))
        }));
    let pages = pages
        .layer(from_fn(|request, next: Next| panic::isolate(next.run(request))))
        .layer(from_fn_with_state(app.clone(), host::only_on_hostname::<S>));
    let server = Arc::new(Server {
        app,
        methods,
        others: plain.merge(pages),
    });
    within_bounds(ids, move |request| admit(server.clone(), request))
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
    within_bounds(ids, move |request| routed(router.clone(), request))
}

/// What all requests pass, outermost first. These are no layers of a router: each of those copies, for each request, all that lie within it.
fn within_bounds<F: Future<Output = Response> + Send + 'static>(
    ids: RequestIds,
    answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
) -> Router {
    Router::new().fallback(move |request: Request| {
        let (ids, answer) = (ids.clone(), answer.clone());
        async move { request_log::log(&ids, request, |request| bound(request, answer)).await }
    })
}

/// Bounds what a request may take.
async fn bound<F: Future<Output = Response>>(request: Request, answer: impl Fn(Request) -> F) -> Response {
    if let Some(refusal) = uri_length::refusal(&request) {
        return refusal;
    }
    let answer = |request| compress::compress(decompress::undo(request), answer);
    drain::drain(pace::pace(request), answer).await
}

/// Lets a request through to what its host may see, within its caller's limits.
async fn admit<S: Application>(server: Arc<Server<S>>, request: Request) -> Response {
    let app = &*server.app;
    let measured = |request| meter::measure(app, request, |request| route(&server, request));
    compress::vary(host::guard(app, request, measured).await)
}

/// Methods, which are nearly all that is asked for, do without the copies that a router makes.
async fn route<S: Application>(server: &Server<S>, request: Request) -> Response {
    let path = request.uri().path();
    if !path.starts_with(XRPC) || path == HEALTH {
        return routed(server.others.clone(), request).await;
    }
    let dispatched = |request| panic::isolate(dispatch(State(server.methods.clone()), request));
    cors::open(request, dispatched).await
}

async fn routed(router: Router, request: Request) -> Response {
    let Ok(response) = router.oneshot(request).await;
    response
}

#[cfg(test)]
mod tests;
