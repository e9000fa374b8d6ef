//! A composition root for tests: one account, `alice.test`, whose only token is `alice`.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use atproto_data::{Did, Handle};
use axum::Router;
use axum::extract::ws::Message;
use axum::extract::{FromRequestParts, WebSocketUpgrade};
use axum::http::request::Parts;

use super::application::{Application, Site};
use super::auth::{Auth, Credential, credential};
use super::error::XrpcError;
use super::health::Health;
use super::limits::{CountsOn, Limit, LimitSettings, Limiter};
use super::method::{Accepts, Answer, Method};
use super::router::{self, RequestIds};
use super::{Access, Call, Input, respond};
use crate::clock::SystemClock;

pub(super) const ALICE: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

#[expect(clippy::unwrap_used, reason = "tests")]
static ALICE_DID: LazyLock<Did> = LazyLock::new(|| ALICE.parse().unwrap());

const MINUTE: Duration = Duration::from_mins(1);
static OWN_LIMITS: &[Limit] = &[
    Limit::per_account("write", 5, MINUTE).cost(length),
    Limit::per_account("write", 8, Duration::from_hours(1)).cost(length),
];
static GUESSES: &[Limit] = &[Limit::per_address_and_input("guess", "text", 2, MINUTE)];
static APART: &[Limit] = &[Limit::per_address("apart", 2, MINUTE)];
static TOGETHER: &[Limit] = &[Limit::server_wide("together", 2, MINUTE)];

fn length(input: &Input) -> u32 {
    let text = input.get("text").and_then(|text| text.as_str());
    text.map_or(1, |text| u32::try_from(text.len()).unwrap_or(u32::MAX))
}

/// The site of the tests: `pds.test`, which gives out handles under `.test`.
pub(super) fn site() -> Site {
    Site {
        hostname: "pds.test".to_owned(),
        public_url: "https://pds.test".to_owned(),
        service_did: "did:web:pds.test".to_owned(),
        handle_domains: vec![".test".to_owned()],
        version: "1.2.3".to_owned(),
    }
}

pub(super) struct TestApp {
    pub(super) site: Site,
    pub(super) health: Health,
    pub(super) limiter: Arc<Limiter>,
}

impl Application for TestApp {
    type Caller = Option<String>;

    fn site(&self) -> &Site {
        &self.site
    }

    fn health(&self) -> Health {
        self.health.clone()
    }

    fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    fn counts_on<'c>(&self, caller: &'c Option<String>) -> CountsOn<'c> {
        match caller.as_deref() {
            Some("admin") => CountsOn::Operator,
            Some(_) => CountsOn::Account(&ALICE_DID),
            None => CountsOn::Client,
        }
    }

    async fn authenticate(&self, auth: Auth, request: &Parts, _nsid: &str) -> Result<Option<String>, XrpcError> {
        match credential(auth, &request.headers, "admin-pass")? {
            Credential::AccessToken(token, _) if token == "alice" => Ok(Some(ALICE.to_owned())),
            Credential::Anonymous => Ok(None),
            Credential::Admin => Ok(Some("admin".to_owned())),
            _ => Err(XrpcError::invalid_token("Token could not be verified")),
        }
    }

    async fn did_of_handle(&self, handle: &Handle) -> Result<Option<Did>, XrpcError> {
        Ok((handle.as_str() == "alice.test").then(|| ALICE.parse().ok()).flatten())
    }
}

fn echo(_: Arc<TestApp>, call: Call<Option<String>>) -> Answer {
    Box::pin(async move {
        let answer = serde_json::json!({
            "caller": call.caller,
            "limit": call.params.limit(50, 100)?,
            "text": call.input.optional_str("text")?,
        });
        respond::json(&answer)
    })
}

fn large(_: Arc<TestApp>, _: Call<Option<String>>) -> Answer {
    Box::pin(async { Ok(respond::json_bytes(format!("\"{}\"", "x".repeat(10_000)).into_bytes())) })
}

fn subscribe(_: Arc<TestApp>, mut call: Call<Option<String>>) -> Answer {
    Box::pin(async move {
        let greeting = call.params.required_str("greeting")?.to_owned();
        let upgrade = WebSocketUpgrade::from_request_parts(&mut call.parts, &()).await;
        let upgrade = upgrade.map_err(|error| XrpcError::invalid_request(error.to_string()))?;
        Ok(upgrade.on_upgrade(async |mut socket| {
            let _ = socket.send(Message::text(greeting)).await;
        }))
    })
}

#[expect(clippy::panic, reason = "a handler that panics")]
fn panics(_: Arc<TestApp>, _: Call<Option<String>>) -> Answer {
    Box::pin(async { panic!("secret") })
}

static METHODS: &[Method<TestApp>] = &[
    Method::query("com.example.open", Auth::None, echo),
    Method::query("com.example.large", Auth::None, large),
    Method::query("com.example.panics", Auth::None, panics),
    Method::query("com.example.mine", Auth::Access(Access::STANDARD), echo),
    Method::procedure(
        "com.example.write",
        Auth::Access(Access::STANDARD),
        Accepts::Json(100),
        echo,
    ),
    Method::procedure("com.example.admin", Auth::Admin, Accepts::Json(100), echo),
    Method::procedure("com.example.inputless", Auth::None, Accepts::Nothing, echo),
    Method::subscription("com.example.subscribe", subscribe),
    Method::procedure(
        "com.example.limited",
        Auth::Access(Access::STANDARD),
        Accepts::Json(100),
        echo,
    )
    .limited(OWN_LIMITS),
    Method::procedure("com.example.guess", Auth::None, Accepts::Json(100), echo).limited(GUESSES),
    Method::query("com.example.apart", Auth::None, echo).limited_apart(APART),
    Method::query("com.example.together", Auth::None, echo).limited(TOGETHER),
];

/// A server that is well.
pub(super) fn router() -> Router {
    router_in(Health::good())
}

/// A server in this health.
pub(super) fn router_in(health: Health) -> Router {
    router::build(
        Arc::new(app(health)),
        METHODS,
        Router::new(),
        RequestIds::starting_at(7),
    )
}

/// A server in this health that limits nobody.
pub(super) fn app(health: Health) -> TestApp {
    TestApp {
        site: site(),
        health,
        limiter: Arc::new(Limiter::new(LimitSettings::default(), Arc::new(SystemClock))),
    }
}

/// A server with these limits.
pub(super) fn router_with(limiter: Limiter) -> Router {
    let app = TestApp {
        limiter: Arc::new(limiter),
        ..app(Health::good())
    };
    router::build(Arc::new(app), METHODS, Router::new(), RequestIds::starting_at(7))
}
