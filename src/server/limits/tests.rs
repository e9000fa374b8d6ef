//! Limits as clients meet them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tower::ServiceExt;

use super::*;
use crate::clock::fake::FakeClock;
use crate::server::testing;

const STRANGER: &str = "203.0.113.7:4000";

struct Server {
    router: Router,
    clock: Arc<FakeClock>,
}

impl Server {
    fn start() -> Server {
        Server::start_with(LimitSettings {
            enabled: true,
            bypass_key: Some("open sesame".to_owned()),
            bypass_addresses: vec!["198.51.100.9".parse().unwrap()],
            trusted_proxies: Vec::new(),
        })
    }

    fn start_with(settings: LimitSettings) -> Server {
        let clock = Arc::new(FakeClock::new());
        let limiter = Limiter::new(settings, clock.clone());
        let router = testing::router_with(limiter);
        Server { router, clock }
    }

    async fn send(&self, peer: &str, method: &str, headers: &[(&str, &str)], text: Option<&str>) -> Response {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut request = Request::builder()
            .uri(format!("/xrpc/com.example.{method}"))
            .extension(Peer(peer));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match text {
            Some(text) => {
                let body = serde_json::json!({ "text": text }).to_string();
                let request = request.method("POST").header("content-type", "application/json");
                request.body(Body::from(body)).unwrap()
            }
            None => request.body(Body::empty()).unwrap(),
        };
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn statuses(&self, peer: &str, method: &str, headers: &[(&str, &str)], times: usize) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..times {
            let response = self.send(peer, method, headers, None).await;
            statuses.push(response.status().as_u16());
        }
        statuses
    }
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn answers_tell_the_tightest_limit() {
    let server = Server::start();
    let alice = [("authorization", "Bearer alice")];
    let first = server.send(STRANGER, "limited", &alice, Some("abc")).await;
    assert_eq!(first.status(), 200);
    let start = FakeClock::START / 1_000_000;
    let told = |response: &Response| {
        [
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-policy",
            "retry-after",
        ]
        .map(|name| header(response, name).to_owned())
    };
    assert_eq!(told(&first), ["5", "2", "5;w=60", ""]);
    assert_eq!(header(&first, "ratelimit-reset"), (start + 60).to_string());

    server.clock.advance(Duration::from_millis(20_500));
    let second = server.send(STRANGER, "limited", &alice, Some("abc")).await;
    assert_eq!(second.status(), 429);
    assert_eq!(told(&second), ["5", "0", "5;w=60", "40"]);
    assert!(header(&second, "access-control-expose-headers").contains("RateLimit-Limit"));
    let body = axum::body::to_bytes(second.into_body(), 1_000).await.unwrap();
    assert_eq!(body, r#"{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}"#);

    // The limit of the hour has counted both.
    server.clock.advance(Duration::from_mins(1));
    let third = server.send(STRANGER, "limited", &alice, Some("abc")).await;
    assert_eq!(
        (third.status().as_u16(), header(&third, "ratelimit-policy")),
        (429, "8;w=3600")
    );
    let other_method = server.send(STRANGER, "mine", &alice, None).await;
    assert_eq!(other_method.status(), 200);
    assert_eq!(told(&other_method), ["3000", "2996", "3000;w=300", ""]);
}

#[tokio::test]
async fn strangers_count_on_their_address_and_accounts_on_themselves() {
    let server = Server::start();
    let all = server.statuses(STRANGER, "open", &[], 3_001).await;
    assert_eq!((all[2_999], all[3_000]), (200, 429));
    let another = server.send("203.0.113.8:1", "open", &[], None).await;
    assert_eq!(another.status(), 200);
    // At the same address, who has logged in has a count of its own; who cannot has not.
    let alice = server
        .send(STRANGER, "mine", &[("authorization", "Bearer alice")], None)
        .await;
    assert_eq!(alice.status(), 200);
    let mallory = server
        .send(STRANGER, "mine", &[("authorization", "Bearer mallory")], None)
        .await;
    assert_eq!(mallory.status(), 429);
    // The administrator is not limited at all.
    let admin = [("authorization", "Basic YWRtaW46YWRtaW4tcGFzcw==")];
    let admin = server.send(STRANGER, "admin", &admin, Some("")).await;
    assert_eq!((admin.status().as_u16(), header(&admin, "ratelimit-limit")), (200, ""));
    // Names that are no method's count too.
    let unknown = server.send(STRANGER, "nothing", &[], None).await;
    assert_eq!(unknown.status(), 429);
    server.clock.advance(Duration::from_mins(5));
    assert_eq!(server.statuses(STRANGER, "open", &[], 1).await, [200]);
}

#[tokio::test]
async fn some_methods_count_apart_and_some_for_everybody() {
    let server = Server::start();
    assert_eq!(server.statuses(STRANGER, "apart", &[], 3).await, [200, 200, 429]);
    let open = server.send(STRANGER, "open", &[], None).await;
    assert_eq!(header(&open, "ratelimit-remaining"), "2999");
    assert_eq!(server.statuses(STRANGER, "together", &[], 2).await, [200, 200]);
    assert_eq!(server.statuses("192.0.2.1:1", "together", &[], 1).await, [429]);
}

#[tokio::test]
async fn guesses_count_on_what_is_guessed_and_on_the_address() {
    let server = Server::start();
    for (peer, text, expected) in [
        (STRANGER, "alice", 200),
        (STRANGER, "ALICE", 200),
        (STRANGER, "alice", 429),
        (STRANGER, "bob", 200),
        ("192.0.2.1:1", "alice", 200),
    ] {
        let status = server.send(peer, "guess", &[], Some(text)).await.status();
        assert_eq!(status, expected, "{peer} {text}");
    }
    // Where a proxy hides the addresses, guesses count on what is guessed alone, ten times as widely.
    for (text, number, expected) in [("carol", 20, 200), ("carol", 1, 429), ("dora", 1, 200)] {
        for _ in 0..number {
            let status = server.send("10.0.0.1:1", "guess", &[], Some(text)).await.status();
            assert_eq!(status, expected, "{text}");
        }
    }
}

#[tokio::test]
async fn the_operators_friends_pass() {
    let server = Server::start();
    let key = [("x-ratelimit-bypass", "open sesame")];
    assert_eq!(server.statuses(STRANGER, "apart", &key, 4).await, [200; 4]);
    assert_eq!(server.statuses("198.51.100.9:1", "apart", &[], 4).await, [200; 4]);
    let by_proxy = [("x-forwarded-for", "198.51.100.9")];
    assert_eq!(server.statuses("127.0.0.1:1", "apart", &by_proxy, 4).await, [200; 4]);
    let pretended = [("x-forwarded-for", "198.51.100.9, 203.0.113.50")];
    let statuses = server.statuses("10.0.0.1:1", "apart", &pretended, 3).await;
    assert_eq!(statuses, [200, 200, 429], "a friend's address before the client's own");
    let wrong = [("x-ratelimit-bypass", "open"), ("x-forwarded-for", "198.51.100.9")];
    assert_eq!(server.statuses(STRANGER, "apart", &wrong, 3).await, [200, 200, 429]);

    let unlimited = Server::start_with(LimitSettings::default());
    assert_eq!(unlimited.statuses(STRANGER, "apart", &[], 4).await, [200; 4]);
    let answer = unlimited.send(STRANGER, "open", &[], None).await;
    assert_eq!(header(&answer, "ratelimit-limit"), "");
}

#[tokio::test]
async fn clients_that_a_proxy_hides_are_not_punished_for_each_other() {
    let server = Server::start();
    assert_eq!(server.statuses("10.0.0.1:1", "apart", &[], 4).await, [200; 4]);
    assert_eq!(server.statuses("127.0.0.1:1", "apart", &[], 3).await, [200, 200, 429]);
    let behind = [("x-forwarded-for", "203.0.113.99")];
    assert_eq!(
        server.statuses("10.0.0.1:1", "apart", &behind, 3).await,
        [200, 200, 429]
    );
    // What counts on accounts counts all the same.
    let alice = [("authorization", "Bearer alice")];
    let answer = server.send("10.0.0.1:1", "limited", &alice, Some("too much")).await;
    assert_eq!(answer.status(), 429);
}

#[tokio::test]
async fn who_guesses_the_administrators_password_waits_and_nobody_else() {
    let clock = Arc::new(FakeClock::new());
    let settings = LimitSettings {
        enabled: true,
        ..LimitSettings::default()
    };
    let limiter = Arc::new(Limiter::new(settings, clock.clone()));
    let meter = |peer: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::builder().extension(Peer(peer)).body(()).unwrap();
        limiter.meter(&request.into_parts().0)
    };
    for _ in 0..5 {
        meter(STRANGER).before_admin_guess().await;
    }
    assert!(clock.slept().is_empty());
    for _ in 0..6 {
        meter(STRANGER).before_admin_guess().await;
    }
    let waits = [1, 2, 4, 8, 10, 10].map(Duration::from_secs);
    assert_eq!(clock.slept(), waits);
    // Right ones do not count, however many there are, and other addresses do not wait.
    for _ in 0..10 {
        let administrator = meter("203.0.113.8:1");
        administrator.before_admin_guess().await;
        administrator.admin_guess_was_right();
    }
    assert_eq!(clock.slept().len(), waits.len());
    clock.advance(Duration::from_mins(1));
    meter(STRANGER).before_admin_guess().await;
    assert_eq!(clock.slept().len(), waits.len());
}
