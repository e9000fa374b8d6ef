//! A relay within the test: counts who asks to be crawled and says of hosts what it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How a relay treats those who ask to be crawled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    /// Answers with this status.
    Answers(u16),
    /// Never answers.
    Silent,
}

/// A relay on loopback. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TestRelay(Arc<Inner>);

struct Inner {
    url: String,
    mood: Mutex<Mood>,
    status: Mutex<Option<Value>>,
    asked: watch::Sender<Vec<String>>,
}

impl TestRelay {
    pub(crate) async fn start() -> TestRelay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = TestRelay(Arc::new(Inner {
            url: format!("http://{}", listener.local_addr().unwrap()),
            mood: Mutex::new(Mood::Willing),
            status: Mutex::new(None),
            asked: watch::Sender::new(Vec::new()),
        }));
        let router = Router::new()
            .route("/xrpc/com.atproto.sync.requestCrawl", post(request_crawl))
            .route("/xrpc/com.atproto.sync.getHostStatus", get(host_status))
            .with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        relay
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    /// Treats those who ask like this from now on.
    pub(crate) fn is(&self, mood: Mood) {
        *self.0.mood.lock().unwrap() = mood;
    }

    /// Says this of every host from now on; nothing if it knows none.
    pub(crate) fn says(&self, status: Option<Value>) {
        *self.0.status.lock().unwrap() = status;
    }

    /// The host names that asked to be crawled so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.borrow().clone()
    }

    /// Waits until it has been asked so often; returns the host names.
    pub(crate) async fn is_asked(&self, times: usize) -> Vec<String> {
        let mut asked = self.0.asked.subscribe();
        let patience = std::time::Duration::from_secs(30);
        let enough = asked.wait_for(|asked| asked.len() >= times);
        tokio::time::timeout(patience, enough)
            .await
            .expect("the relay is asked in time")
            .unwrap()
            .clone()
    }
}

async fn request_crawl(State(relay): State<TestRelay>, Json(input): Json<Value>) -> Response {
    let hostname = input["hostname"].as_str().unwrap().to_owned();
    relay.0.asked.send_modify(|asked| asked.push(hostname));
    let mood = *relay.0.mood.lock().unwrap();
    match mood {
        Mood::Willing => StatusCode::OK.into_response(),
        Mood::Answers(status) => {
            let body = Json(json!({"error": "Refused", "message": "as it was told"}));
            (StatusCode::from_u16(status).unwrap(), body).into_response()
        }
        Mood::Silent => std::future::pending().await,
    }
}

async fn host_status(State(relay): State<TestRelay>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let status = relay.0.status.lock().unwrap().clone();
    match status {
        Some(mut status) => {
            status["hostname"] = json!(query["hostname"]);
            Json(status).into_response()
        }
        None => (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": "HostNotFound", "message": "who?"})),
        )
            .into_response(),
    }
}
