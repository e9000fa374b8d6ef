//! HTTP/2 towards services: by TLS, and only where the settings allow it.

use tokio::task::JoinSet;

use crate::Answer;
use crate::harness::{AppView, Certificate};
use crate::proxy::server;

const THINGS: &str = "com.example.getThings";
/// More than HTTP/1.1 would do on one connection, fewer than an account may have under way.
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_reached_by_http2_where_that_is_allowed() {
    for (allowed, version) in [("false", "HTTP/1.1"), ("true", "HTTP/2.0")] {
        let certificate = Certificate::new();
        let appview = AppView::start_with(&certificate).await;
        let settings = [("PDS_PROXY_ALLOW_HTTP2", allowed), certificate.trusted()];
        let app = server(&appview, &settings).await;
        let alice = app.account("alice").await;
        for _ in 0..5 {
            assert_eq!(alice.query(THINGS, &[]).await.ok()["version"], version);
        }
        assert_eq!(appview.connections(), 1, "one connection serves one call after another");
        // Services that a client names are reached by another client.
        let named = format!("{}#other", app.plc.registers_service("other", &appview.url()));
        for _ in 0..5 {
            let request = app.api.get(THINGS, &[]).bearer_auth(&alice.access);
            let answer = Answer::to(request.header("atproto-proxy", &named)).await.unwrap();
            assert_eq!(answer.ok()["version"], version);
        }
        assert_eq!(appview.connections(), 2);
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let alice = alice.clone();
            calls.spawn(async move { alice.query(THINGS, &[]).await.ok() });
        }
        calls.join_all().await;
        if allowed == "true" {
            assert_eq!(appview.connections(), 2, "and many at once");
        }
    }
}
