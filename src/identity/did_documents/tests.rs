#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::unnecessary_wraps,
    reason = "expected values in the shape of what they are compared with"
)]

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use atproto_plc::Operation;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::{BoxFuture, join_all};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::clock::fake::FakeClock;
use crate::identity::PlcError;
use crate::outbound::{FakeDns, Reach};

const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const HOUR: Duration = Duration::from_hours(1);

/// A directory with one answer for everything, which counts how often it is asked and says so.
struct OneAnswer {
    answer: Mutex<Result<Option<Value>, PlcError>>,
    asked: AtomicUsize,
    was_asked: Notify,
}

impl PlcDirectory for OneAnswer {
    fn submit<'a>(&'a self, _: &'a Did, _: &'a Operation) -> BoxFuture<'a, Result<(), PlcError>> {
        Box::pin(std::future::ready(Err(PlcError::Unreachable)))
    }

    fn last_operation<'a>(&'a self, _: &'a Did) -> BoxFuture<'a, Result<Option<Operation>, PlcError>> {
        Box::pin(std::future::ready(Err(PlcError::Unreachable)))
    }

    fn document<'a>(&'a self, _: &'a Did) -> BoxFuture<'a, Result<Option<Value>, PlcError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.was_asked.notify_one();
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

struct Test {
    resolver: DidDocuments,
    plc: Arc<OneAnswer>,
    clock: Arc<FakeClock>,
}

impl Test {
    fn new(answer: Result<Option<Value>, PlcError>) -> Test {
        let plc = Arc::new(OneAnswer {
            answer: Mutex::new(answer),
            asked: AtomicUsize::new(0),
            was_asked: Notify::new(),
        });
        let clock = Arc::new(FakeClock::new());
        let settings = DidDocumentsSettings {
            stale_ttl: HOUR,
            max_ttl: 24 * HOUR,
            timeout: Duration::from_secs(30),
        };
        let client = GuardedClient::new(Reach::Anywhere, Arc::new(FakeDns::default())).unwrap();
        let (shared_plc, shared_clock) = (Arc::clone(&plc), Arc::clone(&clock));
        let resolver = DidDocuments::new(shared_plc, client, shared_clock, settings);
        Test { resolver, plc, clock }
    }

    fn answer(&self, answer: Result<Option<Value>, PlcError>) {
        *self.plc.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.plc.asked.load(Ordering::SeqCst)
    }

    /// The handle in the document, which tells one version from another.
    async fn handle(&self) -> Result<Option<String>, ResolveError> {
        let resolved = self.resolver.resolve(&did(DID)).await?;
        Ok(resolved.map(|resolved| resolved.document.handle().unwrap().to_string()))
    }
}

fn did(text: &str) -> Did {
    text.parse().unwrap()
}

fn is(handle: &str) -> Result<Option<String>, ResolveError> {
    Ok(Some(handle.to_owned()))
}

fn document(handle: &str) -> Result<Option<Value>, PlcError> {
    Ok(Some(json!({"id": DID, "alsoKnownAs": [format!("at://{handle}")]})))
}

#[tokio::test]
async fn many_askers_make_one_question() {
    let test = Test::new(document("a.test"));
    let id = did(DID);
    for outcome in join_all((0..100).map(|_| test.resolver.resolve(&id))).await {
        assert_eq!(outcome.unwrap().unwrap().document.id, id);
    }
    assert_eq!(test.asked(), 1);
    join_all((0..100).map(|_| test.resolver.refresh(&id))).await;
    assert_eq!(test.asked(), 2);
}

#[tokio::test]
async fn old_documents_are_given_out_while_new_ones_are_fetched() {
    let test = Test::new(document("old.test"));
    assert_eq!(test.handle().await, is("old.test"));
    test.plc.was_asked.notified().await;
    test.answer(document("new.test"));
    test.clock.advance(HOUR + Duration::from_secs(1));
    assert_eq!(test.handle().await, is("old.test"));
    assert_eq!(test.handle().await, is("old.test"));
    test.plc.was_asked.notified().await;
    test.resolver.refresh(&did(DID)).await.unwrap();
    assert_eq!(test.handle().await, is("new.test"));
    assert!(test.asked() <= 3);
}

#[tokio::test]
async fn documents_end() {
    let test = Test::new(document("old.test"));
    assert_eq!(test.handle().await, is("old.test"));
    test.answer(document("new.test"));
    test.clock.advance(24 * HOUR + Duration::from_secs(1));
    assert_eq!(test.handle().await, is("new.test"));
    test.answer(Err(PlcError::Unreachable));
    test.clock.advance(24 * HOUR + Duration::from_secs(1));
    assert!(matches!(test.handle().await, Err(ResolveError::Failed(_))));
}

#[tokio::test]
async fn a_failing_directory_does_not_lose_what_is_kept() {
    let test = Test::new(document("a.test"));
    assert_eq!(test.handle().await, is("a.test"));
    test.answer(Err(PlcError::Unreachable));
    assert!(matches!(
        test.resolver.refresh(&did(DID)).await,
        Err(ResolveError::Failed(_))
    ));
    assert_eq!(test.handle().await, is("a.test"));
    test.answer(Ok(None));
    assert_eq!(test.resolver.refresh(&did(DID)).await, Ok(None));
    assert_eq!(test.handle().await, Ok(None));
}

#[tokio::test]
async fn absence_is_remembered_for_a_minute_and_failure_is_not() {
    let test = Test::new(Ok(None));
    assert_eq!(test.handle().await, Ok(None));
    test.answer(document("a.test"));
    assert_eq!(test.handle().await, Ok(None));
    test.clock.advance(UNKNOWN_TTL + Duration::from_secs(1));
    assert_eq!(test.handle().await, is("a.test"));

    let test = Test::new(Err(PlcError::NoAnswer));
    assert!(matches!(test.handle().await, Err(ResolveError::Failed(_))));
    test.answer(document("a.test"));
    assert_eq!(test.handle().await, is("a.test"));
    test.resolver.forget(&did(DID)).await;
    assert_eq!(test.handle().await, is("a.test"));
    assert_eq!(test.asked(), 3);
}

#[tokio::test]
async fn what_strangers_can_force_is_bounded() {
    let test = Test::new(document("old.test"));
    assert_eq!(test.handle().await, is("old.test"));
    for round in 2..4 {
        join_all((0..10).map(async |_| test.resolver.resolve_anew(&did(DID)).await.unwrap())).await;
        test.resolver.resolve_anew(&did(DID)).await.unwrap();
        assert_eq!(test.asked(), round, "once in half a minute");
        test.clock.advance(FORCED_EVERY);
    }
    test.answer(Err(PlcError::Unreachable));
    test.resolver.resolve_anew(&did(DID)).await.unwrap_err();
    let kept = test.resolver.resolve_anew(&did(DID)).await.unwrap();
    assert!(kept.is_some(), "what is kept outlives a failure");

    let test = Test::new(Ok(None));
    let letters = || 'a'..='j';
    let others = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    for other in others.take(200) {
        let other = did(&format!("did:plc:{}{other}", "a".repeat(21)));
        test.resolver.resolve(&other).await.unwrap();
        test.resolver.resolve_anew(&other).await.unwrap();
    }
    assert_eq!(test.asked(), 200 + 120, "all together");
}

#[tokio::test]
async fn no_directory_is_asked_for_what_cannot_be() {
    let test = Test::new(document("a.test"));
    for text in ["did:web:example.com:path", "did:key:zQ3sh"] {
        let expected = Err(ResolveError::Unsupported(text.to_owned()));
        assert_eq!(test.resolver.resolve(&did(text)).await, expected);
    }
    assert_eq!(test.resolver.resolve(&did("did:plc:short")).await, Ok(None));
    assert_eq!(test.asked(), 0);
    let other = Test::new(Ok(Some(json!({"id": "did:plc:other"}))));
    assert!(matches!(other.handle().await, Err(ResolveError::Failed(_))));
}

#[tokio::test]
async fn web_documents_come_from_their_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = format!("did:web:localhost%3A{}", listener.local_addr().unwrap().port());
    let answer = Arc::new(Mutex::new((StatusCode::OK, json!({"id": id}).to_string())));
    let shared = Arc::clone(&answer);
    let host = Router::new().route(
        "/.well-known/did.json",
        get(async move || shared.lock().unwrap().clone()),
    );
    tokio::spawn(async move { axum::serve(listener, host).await });
    let test = Test::new(Ok(None));
    let dns = FakeDns::default().host("localhost", &[&["127.0.0.1:0"]]);
    let client = GuardedClient::new(Reach::Anywhere, Arc::new(dns)).unwrap();
    let inner = &test.resolver.0;
    let resolver = DidDocuments::new(inner.plc.clone(), client, inner.clock.clone(), inner.settings);

    assert_eq!(
        resolver.refresh(&did(&id)).await.unwrap().unwrap().json,
        json!({"id": id})
    );
    for (status, body, is_unknown) in [
        (StatusCode::NOT_FOUND, String::new(), true),
        (StatusCode::FOUND, String::new(), false),
        (StatusCode::OK, "<html>".to_owned(), false),
        (StatusCode::OK, json!({"id": "did:web:example.com"}).to_string(), false),
        (StatusCode::OK, " ".repeat(MAX_DOCUMENT_BYTES + 1), false),
    ] {
        *answer.lock().unwrap() = (status, body);
        let outcome = resolver.refresh(&did(&id)).await;
        assert_eq!(outcome == Ok(None), is_unknown, "{status}");
        assert!(outcome.is_err() || is_unknown, "{status}");
    }
}
