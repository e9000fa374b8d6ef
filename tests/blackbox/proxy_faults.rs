//! Services that are slow, down, endless or broken, and clients that leave (catalogue I4, I6, I7).

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{AppView, Behaviour};
use crate::metrics::series;
use crate::proxy::server;
use crate::{Account, Answer};

const SLOW: &str = "com.example.slow";

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_PROXY_HEADERS_TIMEOUT", "300")]).await;
    let alice = app.account("alice").await;
    appview.behaves(SLOW, Behaviour::Hang);
    alice.query(SLOW, &[]).await.refused(504, "UpstreamTimeout");
    alice.call(SLOW, &json!({})).await.refused(504, "UpstreamTimeout");
    appview.hanging(0).await;
}

#[tokio::test]
async fn a_service_that_is_down_is_no_trouble() {
    let appview = AppView::start().await;
    let app = server(
        &appview,
        &[
            ("PDS_BSKY_APP_VIEW_URL", "http://localhost:1"),
            ("PDS_PROXY_MAX_RETRIES", "2"),
        ],
    )
    .await;
    let alice = app.account("alice").await;
    let down = alice.query(SLOW, &[]).await.refused(502, "UpstreamFailure");
    assert_eq!(down, "Upstream service unreachable");
    alice.call(SLOW, &json!({})).await.refused(502, "UpstreamFailure");
    alice.create("com.example.note", "a", &json!({"text": "x"})).await;
}

#[tokio::test]
async fn an_answer_that_stops_or_breaks_is_cut_off() {
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_PROXY_BODY_TIMEOUT", "300")]).await;
    let alice = app.account("alice").await;
    for behaviour in [Behaviour::HangMidway, Behaviour::Break] {
        appview.behaves(SLOW, behaviour.clone());
        // Unless it breaks so early that there still is something to say.
        if let Ok(answer) = Answer::to(app.api.get(SLOW, &[]).bearer_auth(&alice.access)).await {
            answer.refused(502, "UpstreamFailure");
        }
        appview.hanging(0).await;
    }
    alice.session().await.ok();
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused_or_cut_off() {
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_PROXY_MAX_RESPONSE_SIZE", "1000000")]).await;
    let alice = app.account("alice").await;
    appview.behaves(SLOW, Behaviour::Say(200, Vec::new(), vec![b'x'; 1_000_000]));
    assert_eq!(alice.query(SLOW, &[]).await.bytes().len(), 1_000_000);
    appview.behaves(SLOW, Behaviour::Say(200, Vec::new(), vec![b'x'; 1_000_001]));
    alice.query(SLOW, &[]).await.refused(502, "UpstreamFailure");
    appview.behaves(SLOW, Behaviour::Endless);
    let answer = app.api.get(SLOW, &[]).bearer_auth(&alice.access).send().await.unwrap();
    let mut body = answer.bytes_stream();
    let mut received = 0;
    while let Some(Ok(chunk)) = body.next().await {
        received += chunk.len();
    }
    assert!(received <= 1_000_000, "{received}");
    // An error's body is read within the same limit.
    appview.behaves(SLOW, Behaviour::Say(400, Vec::new(), vec![b' '; 1_000_001]));
    alice.query(SLOW, &[]).await.refused(400, "InvalidRequest");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_call_with_it() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    for behaviour in [Behaviour::Hang, Behaviour::HangMidway] {
        appview.behaves(SLOW, behaviour);
        for verb in ["get", "post"] {
            let request = if verb == "get" {
                app.api.get(SLOW, &[])
            } else {
                app.api.post(SLOW).json(&json!({}))
            };
            let call = tokio::spawn(Answer::to(request.bearer_auth(&alice.access)));
            appview.hanging(1).await;
            call.abort();
            appview.hanging(0).await;
        }
    }
}

#[tokio::test]
async fn a_client_may_send_no_more_than_the_limit() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![1; 1 << 20])).take(130);
    let request = app.api.post("com.example.doThings").bearer_auth(&alice.access);
    let answer = Answer::to(request.body(reqwest::Body::wrap_stream(endless)))
        .await
        .unwrap();
    answer.refused(413, "PayloadTooLarge");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_read_is_the_clients_fault() {
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_METRICS_PORT", "0")]).await;
    let alice = app.account("alice").await;
    let broken = app.api.post(SLOW).bearer_auth(&alice.access);
    let broken = broken.header("content-encoding", "gzip").body("not compressed");
    Answer::to(broken).await.unwrap().refused(400, "InvalidRequest");
    let mut chunks = TcpStream::connect(app.api.address()).await.unwrap();
    let head = format!(
        "POST /xrpc/{SLOW} HTTP/1.1\r\nhost: pds.test\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        alice.access
    );
    chunks.write_all(head.as_bytes()).await.unwrap();
    chunks.write_all(b"1\r\nx\r\nno number\r\n").await.unwrap();
    let mut answer = String::new();
    chunks.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\"InvalidRequest\""), "{answer}");
    // It says nothing of the AppView.
    for outcome in ["ok", "client_error", "server_error", "timeout", "unreachable"] {
        let name = format!("pds_upstream_requests_total{{service=\"appview\",outcome=\"{outcome}\"}}");
        let times = series(&app, &name).await;
        assert!(times.is_none_or(|times| times < 1.0), "{outcome} {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_are_slow_to_find_are_few_at_a_time() {
    const MOST: usize = 16;
    let appview = AppView::start().await;
    let app = server(&appview, &[("PDS_ID_RESOLVER_TIMEOUT", "60000")]).await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    // Hosts of did:web that take connections and say nothing.
    let hosts = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("did:web:localhost%3A{}", hosts.local_addr().unwrap().port());
    let asks = |account: &Account, proxy: &str| {
        let request = app.api.get(SLOW, &[]).bearer_auth(&account.access);
        Answer::to(request.header("atproto-proxy", proxy))
    };
    let mut calls = JoinSet::new();
    for number in 0..=MOST {
        calls.spawn(asks(&alice, &format!("{slow}#a{number}")));
    }
    // One too many is refused at once; all others wait.
    let refused = calls.join_next().await.unwrap().unwrap().unwrap();
    refused.refused(429, "RateLimitExceeded");
    asks(&bob, &appview.service("other")).await.unwrap().ok();
    alice.query(SLOW, &[]).await.ok();
}

#[tokio::test]
async fn a_service_that_was_found_is_known_while_its_document_cannot_be_had() {
    let appview = AppView::start().await;
    let app = server(&appview, &[]).await;
    let alice = app.account("alice").await;
    let (known, new) = (AppView::start().await, AppView::start().await);
    let ask = async |service: &AppView| {
        let request = app.api.get(SLOW, &[]).bearer_auth(&alice.access);
        Answer::to(request.header("atproto-proxy", service.service("other")))
            .await
            .unwrap()
    };
    ask(&known).await.ok();
    for service in [&known, &new] {
        service.has_no_document();
    }
    ask(&known).await.ok();
    ask(&new).await.refused(502, "UpstreamFailure");
}

/// Many calls of an account's that its AppView answers slowly.
fn call_slowly(calls: &mut JoinSet<Vec<u8>>, account: &Account, number: usize) {
    for _ in 0..number {
        let account = account.clone();
        calls.spawn(async move { account.query(SLOW, &[]).await.bytes() });
    }
}

/// Services that may take as long as a test does.
const PATIENT: [(&str, &str); 2] = [
    ("PDS_PROXY_HEADERS_TIMEOUT", "120000"),
    ("PDS_PROXY_BODY_TIMEOUT", "120000"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_answers_starve_nobody() {
    const ACCOUNTS: usize = 8;
    const SLOW_CALLS: usize = 1_000;
    let appview = AppView::start().await;
    let app = server(&appview, &PATIENT).await;
    let alice = app.account("alice").await;
    let params = [
        ("repo", alice.did.as_str()),
        ("collection", "com.example.note"),
        ("rkey", "a"),
    ];
    alice.create("com.example.note", "a", &json!({"text": "x"})).await;
    appview.behaves(SLOW, Behaviour::HangMidway);
    let mut calls = JoinSet::new();
    for number in 0..ACCOUNTS {
        let account = app.account(&format!("slow{number}")).await;
        call_slowly(&mut calls, &account, SLOW_CALLS / ACCOUNTS);
    }
    appview.hanging(SLOW_CALLS).await;
    // Every local call is answered while all of them hang.
    for number in 0..50 {
        app.api.query("com.atproto.repo.getRecord", &params).await.ok();
        alice
            .create("com.example.note", &format!("n{number}"), &json!({"text": "x"}))
            .await;
        alice.query("com.example.other", &[]).await.ok();
    }
    appview.hanging(SLOW_CALLS).await;
    appview.release();
    for body in calls.join_all().await {
        assert_eq!(body, b"begun, done");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_cannot_hold_all_calls() {
    const MOST: usize = 128;
    let appview = AppView::start().await;
    let app = server(&appview, &PATIENT).await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    appview.behaves(SLOW, Behaviour::HangMidway);
    let mut calls = JoinSet::new();
    call_slowly(&mut calls, &alice, MOST);
    appview.hanging(MOST).await;
    alice.query(SLOW, &[]).await.refused(429, "RateLimitExceeded");
    alice.call(SLOW, &json!({})).await.refused(429, "RateLimitExceeded");
    bob.query("com.example.other", &[]).await.ok();
    alice.session().await.ok();
    // What a client names counts on its own.
    let named = app.api.get("com.example.other", &[]).bearer_auth(&alice.access);
    let named = named.header("atproto-proxy", appview.service("other"));
    Answer::to(named).await.unwrap().ok();
    appview.release();
    calls.join_all().await;
    alice.query("com.example.other", &[]).await.ok();
}
