//! Identities resolved whole: of accounts here and elsewhere, kept and fresh (catalogue B4), and never from the private network (J).

use atproto_data::crypto::Curve;
use atproto_data::{Did, SigningKey, jws};
use atproto_plc::{State, UnsignedOperation};
use pds::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::harness::{AppView, NameServer, SERVICE_DID};
use crate::service_auth::{document_of, serve_document};
use crate::{Account, Answer, TestApp};

const RESOLVE_DID: &str = "com.atproto.identity.resolveDid";
const RESOLVE: &str = "com.atproto.identity.resolveIdentity";
const REFRESH: &str = "com.atproto.identity.refreshIdentity";
const ELSEWHERE: &str = "mover.elsewhere.example";
const NOBODY: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

async fn start() -> (TestApp, NameServer) {
    let names = NameServer::start().await;
    let settings = [
        ("PDS_HANDLE_BACKUP_NAMESERVERS", names.address()),
        // The system's name servers, which know nothing of it, are not waited for.
        ("PDS_ID_RESOLVER_TIMEOUT", "300"),
    ];
    let app = TestApp::start_with(&settings).await;
    (app, names)
}

/// A DID of another server that claims the handle [`ELSEWHERE`].
fn did_elsewhere(app: &TestApp) -> Did {
    let key = SigningKey::from_bytes(Curve::K256, &[31; 32]).unwrap();
    let public = key.public_key().to_did_key();
    let handle = ELSEWHERE.parse().unwrap();
    let state = State::for_account(&public, &handle, "https://elsewhere.example", vec![public.clone()]);
    let operation = UnsignedOperation::genesis(state).sign(&key);
    let did = operation.did_of_genesis();
    app.plc.register(&did, &operation.to_json());
    did
}

async fn document(account: &Account, did: &Did) -> Value {
    let answer = account.query(RESOLVE_DID, &[("did", did.as_str())]).await;
    answer.ok()["didDoc"].clone()
}

async fn resolve(account: &Account, identifier: &str) -> Answer {
    account.query(RESOLVE, &[("identifier", identifier)]).await
}

async fn refresh(account: &Account, identifier: &str) -> Answer {
    account.call(REFRESH, &json!({"identifier": identifier})).await
}

#[tokio::test]
async fn an_account_is_found_by_its_did_and_by_its_handle() {
    let (app, _names) = start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let found = document(&bob, &alice.did).await;
    assert_eq!(
        (&found["id"], &found["alsoKnownAs"]),
        (&json!(alice.did), &json!(["at://alice.test"]))
    );
    let whole = json!({"did": alice.did, "handle": "alice.test", "didDoc": found});
    for identifier in [alice.did.as_str(), "alice.test", "ALICE.test"] {
        assert_eq!(resolve(&bob, identifier).await.ok(), whole);
        assert_eq!(refresh(&bob, identifier).await.ok(), whole);
    }
    let unknown = bob.query(RESOLVE_DID, &[("did", NOBODY)]).await;
    unknown.refused(400, "DidNotFound");
    for (identifier, error) in [
        (NOBODY, "DidNotFound"),
        ("did:example:alice", "DidNotFound"),
        ("nobody.test", "HandleNotFound"),
        ("nobody.elsewhere.example", "HandleNotFound"),
        ("no identifier", "InvalidRequest"),
    ] {
        resolve(&bob, identifier).await.refused(400, error);
        refresh(&bob, identifier).await.refused(400, error);
    }
}

#[tokio::test]
async fn a_handle_counts_only_if_it_points_back() {
    let (app, names) = start().await;
    let alice = app.account("alice").await;
    let did = did_elsewhere(&app);
    names.set(&format!("_atproto.{ELSEWHERE}"), &[&format!("did={}", alice.did)]);
    let claimed = refresh(&alice, did.as_str()).await.ok();
    assert_eq!(
        (&claimed["handle"], &claimed["didDoc"]["alsoKnownAs"]),
        (&json!("handle.invalid"), &json!([format!("at://{ELSEWHERE}")]))
    );
    // The name points to somebody who does not claim it.
    let pointed_to = refresh(&alice, ELSEWHERE).await.ok();
    assert_eq!(
        (&pointed_to["did"], &pointed_to["handle"]),
        (&json!(alice.did), &json!("alice.test"))
    );
    names.set(&format!("_atproto.{ELSEWHERE}"), &[&format!("did={did}")]);
    for identifier in [ELSEWHERE, did.as_str()] {
        let found = refresh(&alice, identifier).await.ok();
        assert_eq!((&found["did"], &found["handle"]), (&json!(did), &json!(ELSEWHERE)));
        assert_eq!(resolve(&alice, identifier).await.ok(), found);
    }
}

#[tokio::test]
async fn what_is_kept_is_replaced_when_somebody_asks_for_it() {
    let (app, _names) = start().await;
    let alice = app.account("alice").await;
    let (did, served) = serve_document().await;
    let key = SigningKey::from_bytes(Curve::K256, &[32; 32]).unwrap();
    let key = key.public_key().to_did_key();
    let [old, new] =
        ["https://old.example", "https://new.example"].map(|endpoint| document_of(&did, &key, endpoint, "x.test"));
    *served.lock().unwrap() = old.clone();
    assert_eq!(document(&alice, &did).await, old);
    *served.lock().unwrap() = new.clone();
    assert_eq!(document(&alice, &did).await, old);
    assert_eq!(refresh(&alice, did.as_str()).await.ok()["didDoc"], new);
    assert_eq!(document(&alice, &did).await, new);
}

/// Tries each way in which a caller can name a DID that the server then looks up.
async fn look_up_everywhere(app: &TestApp, alice: &Account, service: &AppView) -> Vec<u16> {
    let did = service.did();
    let now = SystemClock.now_micros() / 1_000_000;
    let token = |lxm: &str| {
        let key = SigningKey::from_bytes(Curve::K256, &[33; 32]).unwrap();
        let claims = json!({"iss": did, "aud": SERVICE_DID, "lxm": lxm, "iat": now, "exp": now + 60, "jti": lxm});
        jws::sign(&key, &json!({"typ": "JWT"}), &claims)
    };
    let (create, upload) = ("com.atproto.server.createAccount", "com.atproto.repo.uploadBlob");
    let create = app
        .api
        .post(create)
        .bearer_auth(token(create))
        .json(&json!({"did": did, "handle": "mover.test"}));
    let upload = app
        .api
        .post(upload)
        .bearer_auth(token(upload))
        .header("content-type", "text/plain");
    let mut statuses = vec![
        alice.query(RESOLVE_DID, &[("did", &did)]).await.status,
        resolve(alice, &did).await.status,
        refresh(alice, &did).await.status,
    ];
    for request in [create, upload.body("a blob")] {
        statuses.push(Answer::to(request).await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn a_did_that_has_ended_is_told_from_one_that_never_was() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let key = SigningKey::from_bytes(Curve::K256, &[32; 32]).unwrap();
    let public = key.public_key().to_did_key();
    let handle = ELSEWHERE.parse().unwrap();
    let state = State::for_account(&public, &handle, "https://elsewhere.example", vec![public.clone()]);
    let genesis = UnsignedOperation::genesis(state).sign(&key);
    let did = genesis.did_of_genesis();
    app.plc.register(&did, &genesis.to_json());
    let tombstone = UnsignedOperation::tombstone(genesis.cid()).sign(&key);
    app.plc.register(&did, &tombstone.to_json());
    for (did, error) in [(did.as_str(), "DidDeactivated"), (NOBODY, "DidNotFound")] {
        alice.query(RESOLVE_DID, &[("did", did)]).await.refused(400, error);
        alice.query(RESOLVE, &[("identifier", did)]).await.refused(400, error);
        alice
            .call(REFRESH, &json!({"identifier": did}))
            .await
            .refused(400, error);
    }
}

#[tokio::test]
async fn dids_are_looked_up_on_the_public_network_only() {
    let service = AppView::start().await;
    let guarded = TestApp::start_with(&[("PDS_DISABLE_SSRF_PROTECTION", "false")]).await;
    let alice = guarded.account("alice").await;
    let statuses = look_up_everywhere(&guarded, &alice, &service).await;
    assert_eq!(statuses, [400, 400, 400, 401, 401]);
    assert_eq!(service.connections(), 0);
    for host in [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "%5B%3A%3A1%5D",
        "0x7f000001",
    ] {
        let answer = alice.query(RESOLVE_DID, &[("did", &format!("did:web:{host}"))]).await;
        assert!(matches!(answer.status, 400 | 502), "{host}: {}", answer.text());
    }

    // Where the operator allows it, the same way is open.
    let open = TestApp::start().await;
    let bob = open.account("bob").await;
    let statuses = look_up_everywhere(&open, &bob, &service).await;
    assert_eq!(statuses[..3], [200; 3]);
    assert!(service.connections() > 0);
}
