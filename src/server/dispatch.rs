//! `/xrpc/<nsid>`: finds the method, checks verb, caller and body, and runs the handler.

use std::collections::HashMap;
use std::sync::Arc;

use atproto_data::Nsid;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method as Verb, header};
use axum::response::{IntoResponse, Response};

use super::application::Application;
use super::auth::{Access, Auth};
use super::call::Call;
use super::error::{XrpcError, XrpcResult};
use super::limits::{CountsOn, Meter};
use super::method::{Apart, Kind, Method};
use super::middleware::request_log::CountedAs;
use super::params::Params;
use super::{body, routes};

/// Where methods live.
pub(super) const XRPC: &str = "/xrpc/";
/// What calls of methods that are not ours are counted as.
const PROXIED: &str = "proxied";

/// The methods of an application, by name.
pub(super) struct Dispatcher<S: Application> {
    app: Arc<S>,
    methods: HashMap<&'static str, &'static Method<S>>,
}

impl<S: Application> Dispatcher<S> {
    pub(super) fn new(app: Arc<S>, methods: &'static [Method<S>]) -> Self {
        let methods = methods.iter().map(|method| (method.nsid, method)).collect();
        Self { app, methods }
    }
}

/// Answers whatever has no route of its own: XRPC methods, and 404 for all else.
pub(super) async fn dispatch<S: Application>(
    State(dispatcher): State<Arc<Dispatcher<S>>>,
    request: Request,
) -> Response {
    let Some(path) = request.uri().path().strip_prefix(XRPC) else {
        return routes::not_found();
    };
    let Some(nsid) = method_name(path).map(str::to_owned) else {
        return XrpcError::invalid_request("invalid xrpc path").into_response();
    };
    let (name, mut response) = match dispatcher.methods.get(nsid.as_str()) {
        Some(method) if method.kind == Kind::Subscription && !is_upgrade(&request) => {
            let verb = check_verb(request.method(), Some(method.kind));
            let error = verb.err().unwrap_or_else(XrpcError::upgrade_required);
            (method.nsid, error.into_response())
        }
        Some(method) => (method.nsid, known_method(dispatcher.app.clone(), method, request).await),
        None => (PROXIED, unknown_method(dispatcher.app.clone(), &nsid, request).await),
    };
    response.extensions_mut().insert(CountedAs(name));
    response
}

async fn known_method<S: Application>(app: Arc<S>, method: &'static Method<S>, request: Request) -> Response {
    if let Err(error) = check_verb(request.method(), Some(method.kind)) {
        return error.into_response();
    }
    let result = call(app, method, request).await;
    if method.auth.is_private() {
        private(result)
    } else {
        result.into_response()
    }
}

async fn call<S: Application>(app: Arc<S>, method: &'static Method<S>, request: Request) -> XrpcResult {
    let (parts, body) = request.into_parts();
    let caller = app.authenticate(method.auth, &parts, method.nsid).await;
    if method.limits.apart == Apart::No || caller.is_err() {
        count(&*app, &caller, &parts)?;
    }
    let mut caller = caller?;
    let headers = app.answer_headers(&caller);
    let on_success = app.on_success(&mut caller);
    let meter = Meter::of(&parts);
    let mut response = match run(app, method, caller, parts, body).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    if response.status().is_success() {
        meter.call_succeeded(method.limits.own);
        if let Some(on_success) = on_success {
            on_success();
        }
    }
    response.headers_mut().extend(headers);
    Ok(response)
}

async fn run<S: Application>(
    app: Arc<S>,
    method: &'static Method<S>,
    caller: S::Caller,
    parts: Parts,
    body: axum::body::Body,
) -> XrpcResult {
    let params = Params::parse(method.nsid, parts.uri.query())?;
    let (input, body) = body::admit(method.accepts, &parts.headers, body).await?;
    Meter::of(&parts).count_method(method.limits.own, app.counts_on(&caller), &input)?;
    (method.handler)(
        app,
        Call {
            nsid: method.nsid,
            caller,
            params,
            input,
            parts,
            body,
        },
    )
    .await
}

/// Methods that are not ours go to the proxy if their name is an NSID; credentials are asked for either way.
async fn unknown_method<S: Application>(app: Arc<S>, nsid: &str, request: Request) -> Response {
    if let Err(error) = check_verb(request.method(), None) {
        return error.into_response();
    }
    private(pass_on(app, nsid, request).await)
}

async fn pass_on<S: Application>(app: Arc<S>, nsid: &str, request: Request) -> XrpcResult {
    let (parts, body) = request.into_parts();
    let caller = app.authenticate(Auth::Access(Access::STANDARD), &parts, nsid).await;
    count(&*app, &caller, &parts)?;
    if let Ok(nsid) = nsid.parse::<Nsid>() {
        return app.fallback(nsid, caller, Request::from_parts(parts, body)).await;
    }
    caller?;
    Err(XrpcError::invalid_request(format!(
        "{nsid} is not the name of a method"
    )))
}

/// Counts a call on its caller, on its address if it could not say who it is.
fn count<S: Application>(app: &S, caller: &Result<S::Caller, XrpcError>, parts: &Parts) -> Result<(), XrpcError> {
    let counts_on = caller.as_ref().map_or(CountsOn::Client, |caller| app.counts_on(caller));
    Meter::of(parts).count_call(counts_on)
}

/// The method's name at the end of a path: letters, digits, dots and hyphens, perhaps followed by a slash.
fn method_name(path: &str) -> Option<&str> {
    let name = path.strip_suffix('/').unwrap_or(path);
    let segment_is_good =
        |segment: &str| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric());
    name.split(['.', '-']).all(segment_is_good).then_some(name)
}

fn check_verb(verb: &Verb, kind: Option<Kind>) -> Result<(), XrpcError> {
    if !matches!(*verb, Verb::GET | Verb::HEAD | Verb::POST) {
        return Err(XrpcError::invalid_request("XRPC requests only supports GET and POST"));
    }
    match kind {
        Some(kind) if !kind.takes(verb) => {
            let expected = kind.verb();
            Err(XrpcError::invalid_request(format!(
                "Incorrect HTTP method ({verb}) expected {expected}"
            )))
        }
        _ => Ok(()),
    }
}

fn is_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Marks an answer that depends on the caller: shared caches keep away.
fn private(result: XrpcResult) -> Response {
    let mut response = result.into_response();
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private"));
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_reference_takes() {
        for name in ["com.atproto.sync.getRepo", "foo", "a-b.c", "com.atproto.sync.getRepo/"] {
            assert_eq!(method_name(name), Some(name.trim_end_matches('/')), "{name}");
        }
        for name in [
            "", "/", "a..b", ".a", "a.", "-a", "a-", "..%2f", "a/b", "a//", "a_b", "a%20b",
        ] {
            assert_eq!(method_name(name), None, "{name}");
        }
    }

    #[test]
    fn verbs_are_checked_in_the_order_of_the_reference() {
        let message = |verb: &Verb, kind| check_verb(verb, kind).map_err(|error| error.message);
        assert_eq!(message(&Verb::HEAD, Some(Kind::Query)), Ok(()));
        assert_eq!(message(&Verb::POST, None), Ok(()));
        let cases = [
            (
                Verb::GET,
                Some(Kind::Procedure),
                "Incorrect HTTP method (GET) expected POST",
            ),
            (
                Verb::POST,
                Some(Kind::Query),
                "Incorrect HTTP method (POST) expected GET",
            ),
            (
                Verb::PUT,
                Some(Kind::Procedure),
                "XRPC requests only supports GET and POST",
            ),
            (Verb::DELETE, None, "XRPC requests only supports GET and POST"),
        ];
        for (verb, kind, expected) in cases {
            assert_eq!(message(&verb, kind), Err(expected.to_owned()));
        }
    }
}
