//! A service within the test that the server passes calls on to: it says what it got, or misbehaves as it is told to.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{Listener, ListenerExt as _};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Certificate;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// So much of a body is kept for the echo, in bytes.
const KEPT_BODY: usize = 1_000;

/// How the service answers a method.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// With this status, these headers and this body.
    Say(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Not before [`AppView::release`].
    Hang,
    /// Begins to answer, and goes on after [`AppView::release`].
    HangMidway,
    /// The same, beginning with these bytes.
    HangAfter(Vec<u8>),
    /// Never stops.
    Endless,
    /// Begins to answer and breaks the connection.
    Break,
    /// As otherwise, with these headers.
    With(Vec<(&'static str, String)>, Box<Behaviour>),
}

/// A service on loopback. Unless told otherwise, it echoes calls as JSON. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppView(Arc<Served>);

struct Served {
    scheme: &'static str,
    port: u16,
    did_document: Mutex<Value>,
    behaviours: Mutex<HashMap<String, Behaviour>>,
    calls: Mutex<Vec<Value>>,
    spends_tokens: AtomicBool,
    connections: AtomicUsize,
    hanging: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl AppView {
    pub(crate) async fn start() -> AppView {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let appview = AppView::at("http", &listener);
        appview.serve(listener);
        appview
    }

    /// One that is reached by TLS.
    pub(crate) async fn start_with(certificate: &Certificate) -> AppView {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let appview = AppView::at("https", &listener);
        appview.serve(certificate.listener(listener));
        appview
    }

    fn at(scheme: &'static str, listener: &TcpListener) -> AppView {
        let appview = AppView(Arc::new(Served {
            scheme,
            port: listener.local_addr().unwrap().port(),
            did_document: Mutex::new(Value::Null),
            behaviours: Mutex::default(),
            calls: Mutex::default(),
            spends_tokens: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            hanging: watch::Sender::new(0),
            released: watch::Sender::new(false),
        }));
        appview.describes_itself(&[("bsky_appview", &appview.url()), ("other", &appview.url())]);
        appview
    }

    fn serve(&self, listener: impl Listener<Addr: std::fmt::Debug>) {
        let served = self.clone();
        let listener = listener.tap_io(move |_| {
            served.0.connections.fetch_add(1, Ordering::Relaxed);
        });
        let router = Router::new()
            .route("/.well-known/did.json", get(did_document))
            .fallback(answer)
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}", self.0.scheme, self.0.port)
    }

    /// A did:web that resolves while the server may reach loopback.
    pub(crate) fn did(&self) -> String {
        format!("did:web:localhost%3A{}", self.0.port)
    }

    /// The value of an `atproto-proxy` header.
    pub(crate) fn service(&self, id: &str) -> String {
        format!("{}#{id}", self.did())
    }

    /// The settings of a server whose AppView this is.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        [
            ("PDS_BSKY_APP_VIEW_URL", self.url()),
            ("PDS_BSKY_APP_VIEW_DID", self.did()),
        ]
    }

    /// Its DID document names these services from now on.
    pub(crate) fn describes_itself(&self, services: &[(&str, &str)]) {
        let service =
            |(id, url): &(&str, &str)| json!({"id": format!("#{id}"), "type": "Service", "serviceEndpoint": url});
        let services: Vec<Value> = services.iter().map(service).collect();
        *self.0.did_document.lock().unwrap() = json!({"id": self.did(), "service": services});
    }

    /// Answers who asks for its DID document with something else from now on.
    pub(crate) fn has_no_document(&self) {
        *self.0.did_document.lock().unwrap() = Value::Null;
    }

    /// Answers a method like this from now on.
    pub(crate) fn behaves(&self, nsid: &str, behaviour: Behaviour) {
        self.0.behaviours.lock().unwrap().insert(nsid.to_owned(), behaviour);
    }

    /// Answers a method with this JSON from now on, as an AppView that has seen an account's repo up to `rev`.
    pub(crate) fn says(&self, nsid: &str, rev: &str, body: &Value) {
        let headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("atproto-repo-rev", rev.to_owned()),
        ];
        self.behaves(nsid, Behaviour::Say(200, headers, body.to_string().into_bytes()));
    }

    /// Refuses tokens that it has seen from now on.
    pub(crate) fn takes_each_token_once(&self) {
        self.0.spends_tokens.store(true, Ordering::Relaxed);
    }

    /// What it has been asked, oldest first: `{method, version, nsid, query, headers, token, body}`.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.0.calls.lock().unwrap().clone()
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Waits until exactly so many calls hang.
    pub(crate) async fn hanging(&self, calls: usize) {
        let mut hanging = self.0.hanging.subscribe();
        let waited = tokio::time::timeout(PATIENCE, hanging.wait_for(|now| *now == calls)).await;
        assert!(waited.is_ok(), "{} calls hang, not {calls}", *self.0.hanging.borrow());
    }

    /// Lets all calls that hang go on.
    pub(crate) fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Counts as hanging until it is released, or dropped because the caller has gone.
    async fn wait(&self) {
        self.0.hanging.send_modify(|hanging| *hanging += 1);
        let _hanging = Hanging(self.clone());
        let _ = self.0.released.subscribe().wait_for(|released| *released).await;
    }
}

/// A call that hangs, until it is answered or given up.
struct Hanging(AppView);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.0.hanging.send_modify(|hanging| *hanging -= 1);
    }
}

async fn did_document(State(appview): State<AppView>) -> Json<Value> {
    Json(appview.0.did_document.lock().unwrap().clone())
}

async fn answer(State(appview): State<AppView>, request: Request) -> Response {
    let echo = echo(request).await;
    let is_new = {
        let mut calls = appview.0.calls.lock().unwrap();
        let is_new = calls.iter().all(|call| call["token"] != echo["token"]);
        calls.push(echo.clone());
        is_new
    };
    if !is_new && appview.0.spends_tokens.load(Ordering::Relaxed) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let nsid = echo["nsid"].as_str().unwrap();
    let behaviour = appview.0.behaviours.lock().unwrap().get(nsid).cloned();
    match behaviour {
        None => echoed(&echo),
        Some(behaviour) => behave(&appview, behaviour, &echo).await,
    }
}

async fn behave(appview: &AppView, behaviour: Behaviour, echo: &Value) -> Response {
    match behaviour {
        Behaviour::Say(status, headers, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            response.headers_mut().clear();
            with_headers(response, headers)
        }
        Behaviour::Hang => {
            appview.wait().await;
            echoed(echo)
        }
        Behaviour::HangMidway => hang_after(appview, Bytes::from_static(b"begun, ")),
        Behaviour::HangAfter(beginning) => hang_after(appview, beginning.into()),
        Behaviour::Endless => {
            let chunk = Bytes::from(vec![b'x'; 64 << 10]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()))).into_response()
        }
        Behaviour::Break => {
            let begun = stream::iter([Ok(Bytes::from_static(b"begun"))]);
            let error = std::io::Error::other("the service breaks the connection as it was told");
            Body::from_stream(begun.chain(stream::once(async { Err(error) }))).into_response()
        }
        Behaviour::With(headers, behaviour) => {
            let response = Box::pin(behave(appview, *behaviour, echo)).await;
            with_headers(response, headers)
        }
    }
}

fn with_headers(mut response: Response, headers: Vec<(&'static str, String)>) -> Response {
    for (name, value) in headers {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

fn hang_after(appview: &AppView, beginning: Bytes) -> Response {
    let appview = appview.clone();
    let begun = stream::iter([Ok::<_, Infallible>(beginning)]);
    let rest = stream::once(async move {
        appview.wait().await;
        Ok(Bytes::from_static(b"done"))
    });
    Body::from_stream(begun.chain(rest)).into_response()
}

/// The echo with headers that a client may get, and with some that it must not.
fn echoed(echo: &Value) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("atproto-repo-rev", "3jzzzzzzzzz2z"),
        ("atproto-content-labelers", "did:example:labeler"),
        ("content-language", "en"),
        ("retry-after", "7"),
        ("set-cookie", "service=secret"),
        ("location", "http://127.0.0.1/"),
        ("www-authenticate", "Bearer"),
        ("x-powered-by", "test"),
        ("content-security-policy", "default-src *"),
        ("access-control-allow-origin", "https://evil.example"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    (headers, Json(echo.clone())).into_response()
}

async fn echo(request: Request) -> Value {
    let (parts, body) = request.into_parts();
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: HashMap<String, String> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    let (length, beginning) = measure(body).await;
    let token = headers
        .get("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    json!({
        "method": parts.method.as_str(),
        "version": format!("{:?}", parts.version),
        "nsid": parts.uri.path().trim_start_matches("/xrpc/"),
        "query": parts.uri.query(),
        "token": token.map(claims),
        "headers": headers,
        "body_length": length,
        "body": String::from_utf8_lossy(&beginning),
    })
}

/// How long a body is, as far as it comes, and how it begins.
async fn measure(body: Body) -> (usize, Vec<u8>) {
    let (mut length, mut beginning) = (0, Vec::new());
    let mut chunks = body.into_data_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        length += chunk.len();
        let missing = KEPT_BODY - beginning.len();
        beginning.extend_from_slice(&chunk[..chunk.len().min(missing)]);
    }
    (length, beginning)
}

/// Header and claims of a JWT, not verified.
fn claims(token: &str) -> Value {
    let part = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap_or(Value::Null);
    let parts: Vec<&str> = token.split('.').collect();
    json!({"header": part(parts[0]), "payload": part(parts[1])})
}
