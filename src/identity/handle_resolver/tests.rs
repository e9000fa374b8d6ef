#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::*;
use crate::clock::fake::FakeClock;
use crate::outbound::{FakeDns, Reach};

const A: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "did:web:b.example.com";
const NAME: &str = "_atproto.alice.example.com";

struct Test {
    resolver: HandleResolver,
    dns: Arc<FakeDns>,
    clock: Arc<FakeClock>,
    fetched: Arc<AtomicUsize>,
    file: Arc<Mutex<(u16, String)>>,
}

impl Test {
    /// A handle `alice.example.com`, whose file is this and whose DNS records are those of `dns`.
    async fn new(status: u16, file: &str, dns: FakeDns) -> Test {
        let file = Arc::new(Mutex::new((status, file.to_owned())));
        let fetched = Arc::new(AtomicUsize::new(0));
        let (shared, counter) = (Arc::clone(&file), Arc::clone(&fetched));
        let answer = async move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let (status, body) = shared.lock().unwrap().clone();
            let location = [("location", "http://127.0.0.1:1/")];
            (StatusCode::from_u16(status).unwrap(), location, body).into_response()
        };
        let host = Router::new().route("/.well-known/atproto-did", get(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, host).await });
        let dns = Arc::new(dns.host("alice.example.com", &[&[&address]]));
        let client = GuardedClient::new(Reach::Anywhere, dns.clone()).unwrap();
        let clock = Arc::new(FakeClock::new());
        let timeout = Duration::from_secs(30);
        let resolver = HandleResolver::with_scheme("http", dns.clone(), client, clock.clone(), timeout);
        Test {
            resolver,
            dns,
            clock,
            fetched,
            file,
        }
    }

    async fn resolve(&self) -> Option<String> {
        let handle = "alice.example.com".parse().unwrap();
        self.resolver.resolve(&handle).await.map(|did| did.to_string())
    }
}

fn txt(texts: &[&str]) -> FakeDns {
    FakeDns::default().text(NAME, texts)
}

#[tokio::test]
async fn a_record_or_a_file_proves_a_handle() {
    let a = format!("did={A}");
    let b = format!("did={B}");
    let lines = format!(" {A} \r\nsecond line");
    let cases = [
        (404, "", txt(&[&a]), Some(A)),
        (404, "", txt(&["v=spf1 -all", &b]), Some(B)),
        (200, A, txt(&[]), Some(A)),
        (200, &lines, txt(&[]), Some(A)),
        (200, B, txt(&[&a]), Some(A)),
        (200, B, txt(&[&a, &b]), Some(B)),
        (404, "", txt(&[&a, &b]), None),
        (404, "", txt(&["did= did:plc:a"]), None),
        (404, "", txt(&[" did=did:plc:a"]), None),
        (404, "", txt(&["did=nothing"]), None),
        (404, "", txt(&[]).backup_text(NAME, &[&a]), Some(A)),
        (404, A, txt(&[]), None),
        (301, A, txt(&[]), None),
        (500, A, txt(&[]), None),
        (200, "<!doctype html><p>not found", txt(&[]), None),
        (200, "", txt(&[]), None),
    ];
    for (index, (status, file, dns, expected)) in cases.into_iter().enumerate() {
        let test = Test::new(status, file, dns).await;
        assert_eq!(test.resolve().await.as_deref(), expected, "case {index}");
    }
    let large = format!("{A}\n{}", " ".repeat(1_000_000));
    assert_eq!(Test::new(200, &large, txt(&[])).await.resolve().await, None);
}

#[tokio::test]
async fn answers_are_kept_known_ones_longer() {
    let test = Test::new(404, "", txt(&[])).await;
    assert_eq!(test.resolve().await, None);
    test.dns.set_text(NAME, &[&format!("did={A}")]);
    assert_eq!(test.resolve().await, None);
    test.clock.advance(UNKNOWN_TTL + Duration::from_secs(1));
    assert_eq!(test.resolve().await.as_deref(), Some(A));
    test.dns.set_text(NAME, &[&format!("did={B}")]);
    test.clock.advance(UNKNOWN_TTL + Duration::from_secs(1));
    assert_eq!(test.resolve().await.as_deref(), Some(A));
    let handle = "alice.example.com".parse().unwrap();
    assert_eq!(test.resolver.refresh(&handle).await.unwrap().as_str(), B);
    assert_eq!(test.resolve().await.as_deref(), Some(B));
    *test.file.lock().unwrap() = (200, A.to_owned());
    test.dns.set_text(NAME, &[]);
    test.clock.advance(KNOWN_TTL + Duration::from_secs(1));
    assert_eq!(test.resolve().await.as_deref(), Some(A));
}

#[tokio::test]
async fn many_askers_make_one_question() {
    let test = Test::new(200, A, txt(&[])).await;
    for outcome in join_all((0..50).map(|_| test.resolve())).await {
        assert_eq!(outcome.as_deref(), Some(A));
    }
    assert_eq!(test.dns.asked(), 1);
    assert_eq!(test.fetched.load(Ordering::SeqCst), 1);
}
