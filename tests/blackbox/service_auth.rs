//! Tokens between servers: what is issued, what is taken, and moving in with one (catalogue I1, I2).

use std::sync::{Arc, Mutex};

use atproto_data::crypto::Curve;
use atproto_data::{Did, SigningKey, jws};
use atproto_plc::{State, UnsignedOperation};
use axum::routing::get;
use axum::{Json, Router};
use pds::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{ADMIN_PASSWORD, SERVICE_DID};
use crate::untouched::assert_refused;
use crate::{Account, Answer, TestApp};

const GET: &str = "com.atproto.server.getServiceAuth";
const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";

fn now() -> i64 {
    SystemClock.now_micros() / 1_000_000
}

/// A DID that another server hosts, with its signing key.
pub(crate) fn did_elsewhere(app: &TestApp, byte: u8) -> (Did, SigningKey) {
    let key = SigningKey::from_bytes(Curve::K256, &[byte; 32]).unwrap();
    let public = key.public_key().to_did_key();
    let handle = "mover.elsewhere.example".parse().unwrap();
    let state = State::for_account(&public, &handle, "https://elsewhere.example", vec![public.clone()]);
    let operation = UnsignedOperation::genesis(state).sign(&key);
    let did = operation.did_of_genesis();
    app.plc.register(&did, &operation.to_json());
    (did, key)
}

pub(crate) fn claims(iss: &Did) -> Value {
    json!({"iss": iss, "aud": SERVICE_DID, "lxm": CREATE_ACCOUNT, "iat": now(), "exp": now() + 60, "jti": "1"})
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    jws::sign(key, &json!({"typ": "JWT"}), claims)
}

pub(crate) async fn create(app: &TestApp, token: &str, input: &Value) -> Answer {
    Answer::to(app.api.post(CREATE_ACCOUNT).bearer_auth(token).json(input))
        .await
        .unwrap()
}

#[tokio::test]
async fn an_account_gets_tokens_for_services_within_limits() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let aud = "did:web:api.example.com#bsky_appview";
    let method = "app.bsky.feed.getTimeline";
    let answer = alice.query(GET, &[("aud", aud), ("lxm", method)]).await.ok();
    let token = jws::parse(answer["token"].as_str().unwrap()).unwrap();
    token.verify(&app.plc.signing_key(&alice.did)).unwrap();
    assert_eq!(token.claims["iss"], alice.did.as_str());
    assert_eq!(
        (&token.claims["aud"], &token.claims["lxm"]),
        (&json!(aud), &json!(method))
    );
    assert_eq!(
        token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(),
        60
    );

    let at = |ahead: i64| (now() + ahead).to_string();
    for (aud, lxm, exp, error) in [
        ("notadid", "", String::new(), "InvalidRequest"),
        ("did:web:a.b#c#d", "", String::new(), "InvalidRequest"),
        (aud, "nope", String::new(), "InvalidRequest"),
        (
            aud,
            "com.atproto.server.createAppPassword",
            String::new(),
            "InvalidRequest",
        ),
        (
            aud,
            "com.atproto.identity.signPlcOperation",
            String::new(),
            "InvalidRequest",
        ),
        (aud, method, at(-10), "BadExpiration"),
        (aud, method, at(3_700), "BadExpiration"),
        (aud, "", at(90), "BadExpiration"),
        (aud, method, "9007199254740993".to_owned(), "InvalidRequest"),
    ] {
        let answer = alice.query(GET, &[("aud", aud), ("lxm", lxm), ("exp", &exp)]).await;
        answer.refused(400, error);
    }
    app.api.query(GET, &[("aud", aud)]).await.refused(401, "AuthMissing");
    alice
        .query(GET, &[("aud", aud), ("lxm", method), ("exp", "0")])
        .await
        .ok();
}

#[tokio::test]
async fn an_account_moves_in_with_a_token_that_is_good_once() {
    let app = TestApp::start().await;
    let mut firehose = app.firehose(None).await;
    let (did, key) = did_elsewhere(&app, 11);
    let mut input = app.sign_up("mover").await;
    input["did"] = json!(did);
    app.api
        .procedure(CREATE_ACCOUNT, &input)
        .await
        .refused(401, "AuthenticationRequired");

    let (other_did, other_key) = did_elsewhere(&app, 12);
    let changed = |name: &str, value: Value| {
        let mut claims = claims(&did);
        claims[name] = value;
        sign(&key, &claims)
    };
    for (token, error) in [
        (sign(&other_key, &claims(&did)), "BadJwtSignature"),
        (sign(&other_key, &claims(&other_did)), "AuthenticationRequired"),
        (changed("aud", json!("did:web:other.test")), "BadJwtAudience"),
        (
            changed("lxm", json!("com.atproto.repo.uploadBlob")),
            "BadJwtLexiconMethod",
        ),
        (changed("lxm", Value::Null), "BadJwtLexiconMethod"),
        (changed("exp", json!(now() - 5)), "JwtExpired"),
        (changed("exp", json!(now() + 86_400)), "BadJwt"),
        (changed("iss", json!(format!("{did}#atproto_labeler"))), "BadJwtIss"),
        (
            changed("iss", json!("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")),
            "AuthenticationRequired",
        ),
        (jws::sign(&key, &json!({"typ": "at+jwt"}), &claims(&did)), "BadJwtType"),
        ("x.y.z".to_owned(), "BadJwt"),
    ] {
        create(&app, &token, &input).await.refused(401, error);
    }

    let token = sign(&key, &claims(&did));
    let bad = json!({"did": did, "handle": "mover.test", "email": "nope", "inviteCode": input["inviteCode"]});
    create(&app, &token, &bad).await.refused(400, "InvalidRequest");
    let mover = Account::new(&app.api, &create(&app, &token, &input).await.ok());
    assert_eq!(mover.did, did);
    create(&app, &token, &input).await.refused(401, "BadJwt");
    let another = changed("exp", json!(now() + 30));
    create(&app, &another, &input).await.refused(400, "AlreadyExists");
    let session = mover.session().await.ok();
    assert_eq!(
        (&session["active"], &session["status"]),
        (&json!(false), &json!("deactivated"))
    );
    let write = mover.write("com.example.note", "a", &json!({"text": "x"}));
    let write = mover.call("com.atproto.repo.createRecord", &write);
    assert_refused(&write.await, "a write before the account has moved");

    // The next event of the firehose is another account's: of this one nothing was told.
    let alice = app.account("alice").await;
    let first = firehose.next().await;
    assert!(format!("{first:?}").contains(alice.did.as_str()), "{first:?}");
}

#[tokio::test]
async fn an_account_of_this_server_uploads_with_a_token() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let upload = "com.atproto.repo.uploadBlob";
    let answer = alice.query(GET, &[("aud", SERVICE_DID), ("lxm", upload)]).await.ok();
    let token = answer["token"].as_str().unwrap();
    for _ in 0..2 {
        let request = app
            .api
            .post(upload)
            .bearer_auth(token)
            .header("content-type", "text/plain");
        let blob = Answer::to(request.body("a blob")).await.unwrap().ok();
        assert_eq!(blob["blob"]["size"], 6);
    }
    let (did, key) = did_elsewhere(&app, 13);
    let mut claims = claims(&did);
    claims["lxm"] = json!(upload);
    let request = app.api.post(upload).bearer_auth(sign(&key, &claims));
    let request = request.header("content-type", "text/plain").body("a blob");
    Answer::to(request).await.unwrap().refused(403, "AccountNotFound");
}

#[tokio::test]
async fn signing_keys_are_reserved_for_those_who_will_move() {
    let app = TestApp::start().await;
    let reserve = "com.atproto.server.reserveSigningKey";
    let (did, key) = did_elsewhere(&app, 14);
    let reserved = app.api.procedure(reserve, &json!({"did": did})).await.ok();
    assert_eq!(app.api.procedure(reserve, &json!({"did": did})).await.ok(), reserved);
    assert_ne!(app.api.procedure(reserve, &json!({})).await.ok(), reserved);
    app.api
        .procedure(reserve, &json!({"did": "x"}))
        .await
        .refused(400, "InvalidRequest");

    let mut input = app.sign_up("mover").await;
    input["did"] = json!(did);
    let mover = Account::new(&app.api, &create(&app, &sign(&key, &claims(&did)), &input).await.ok());
    let credentials = mover
        .query("com.atproto.identity.getRecommendedDidCredentials", &[])
        .await
        .ok();
    assert_eq!(credentials["verificationMethods"]["atproto"], reserved["signingKey"]);
}

/// Serves the DID document of a did:web on loopback, as it is at each moment.
pub(crate) async fn serve_document() -> (Did, Arc<Mutex<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let did = format!("did:web:localhost%3A{}", listener.local_addr().unwrap().port());
    let document = Arc::new(Mutex::new(Value::Null));
    let shared = Arc::clone(&document);
    let answer = async move || Json(shared.lock().unwrap().clone());
    let router = Router::new().route("/.well-known/did.json", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (did.parse().unwrap(), document)
}

pub(crate) fn document_of(did: &Did, signing_key: &str, endpoint: &str, handle: &str) -> Value {
    json!({
        "id": did,
        "alsoKnownAs": [format!("at://{handle}")],
        "verificationMethod": [{
            "id": format!("{did}#atproto"), "type": "Multikey", "controller": did,
            "publicKeyMultibase": signing_key.strip_prefix("did:key:").unwrap(),
        }],
        "service": [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint}],
    })
}

#[tokio::test]
async fn an_account_that_was_deleted_here_may_come_back() {
    let app = TestApp::start().await;
    let (did, key) = did_elsewhere(&app, 16);
    let mut revs = Vec::new();
    for visit in ["first", "second"] {
        let mut input = app.sign_up("mover").await;
        input["did"] = json!(did);
        let mut claims = claims(&did);
        claims["jti"] = json!(visit);
        let mover = Account::new(&app.api, &create(&app, &sign(&key, &claims), &input).await.ok());
        assert_eq!(mover.did, did);
        let status = mover.query("com.atproto.server.checkAccountStatus", &[]).await.ok();
        assert_eq!(status["activated"], false);
        revs.push(status["repoRev"].as_str().unwrap().to_owned());
        let delete = app
            .api
            .post("com.atproto.admin.deleteAccount")
            .json(&json!({"did": did}));
        Answer::to(delete.basic_auth("admin", Some(ADMIN_PASSWORD)))
            .await
            .unwrap()
            .ok();
        mover.session().await.refused(400, "InvalidRequest");
    }
    assert!(revs[0] < revs[1], "{revs:?}");
}
