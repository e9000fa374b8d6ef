//! Tokens: genuine ones, ended ones and forged ones (catalogue G).

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pds::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{JWT_SECRET, SERVICE_DID, password};
use crate::untouched::{Untouched, assert_refused};
use crate::{Account, Answer, TestApp};

const REFRESH: &str = "com.atproto.server.refreshSession";
const LOG_OUT: &str = "com.atproto.server.deleteSession";

fn now() -> i64 {
    SystemClock.now_micros() / 1_000_000
}

/// An access token as the reference server issues it: without `jti`.
fn claims(account: &Account) -> Value {
    json!({
        "scope": "com.atproto.access",
        "sub": account.did.as_str(),
        "iat": now(),
        "exp": now() + 7_200,
        "aud": SERVICE_DID,
    })
}

fn sign(algorithm: Algorithm, kind: &str, claims: &Value, secret: &str) -> String {
    let mut header = Header::new(algorithm);
    header.typ = Some(kind.to_owned());
    encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn access(claims: &Value) -> String {
    sign(Algorithm::HS256, "at+jwt", claims, JWT_SECRET)
}

async fn with_token(app: &TestApp, token: &str) -> Answer {
    Answer::to(app.api.get("com.atproto.server.getSession", &[]).bearer_auth(token))
        .await
        .unwrap()
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    Answer::to(app.api.post(REFRESH).bearer_auth(token)).await.unwrap()
}

#[tokio::test]
async fn tokens_of_the_reference_server_are_good() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    assert_eq!(
        with_token(&app, &access(&claims(&alice))).await.ok()["did"],
        alice.did.as_str()
    );
    let reference = Account {
        access: access(&claims(&alice)),
        ..alice
    };
    reference.create("com.example.note", "a", &json!({"text": "x"})).await;
}

#[tokio::test]
async fn forged_and_misused_tokens_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let changed = |name: &str, value: Value| {
        let mut claims = claims(&alice);
        claims[name] = value;
        access(&claims)
    };
    let good = access(&claims(&alice));
    let parts: Vec<&str> = good.split('.').collect();
    let nobody = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
    let tokens = vec![
        (
            "alg none",
            format!("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0.{}.", parts[1]),
        ),
        (
            "alg none with signature",
            format!("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0.{}.{}", parts[1], parts[2]),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        (
            "another secret",
            sign(Algorithm::HS256, "at+jwt", &claims(&alice), "another secret"),
        ),
        ("an empty secret", sign(Algorithm::HS256, "at+jwt", &claims(&alice), "")),
        ("HS512", sign(Algorithm::HS512, "at+jwt", &claims(&alice), JWT_SECRET)),
        ("type JWT", sign(Algorithm::HS256, "JWT", &claims(&alice), JWT_SECRET)),
        (
            "type of refresh tokens",
            sign(Algorithm::HS256, "refresh+jwt", &claims(&alice), JWT_SECRET),
        ),
        ("a refresh token", alice.refresh.clone()),
        (
            "scope of refresh tokens",
            changed("scope", json!("com.atproto.refresh")),
        ),
        ("unknown scope", changed("scope", json!("com.atproto.everything"))),
        ("no scope", changed("scope", Value::Null)),
        ("another server", changed("aud", json!("did:web:other.example"))),
        ("expired", changed("exp", json!(now() - 1))),
        ("exp 0", changed("exp", json!(0))),
        ("exp as text", changed("exp", json!("tomorrow"))),
        ("exp 2^63", changed("exp", json!(9_223_372_036_854_775_808_u64))),
        ("no exp", changed("exp", Value::Null)),
        ("not yet", changed("nbf", json!(now() + 3_600))),
        ("nobody", changed("sub", json!(nobody))),
        ("no DID", changed("sub", json!("alice.test"))),
        ("a session that is none", changed("jti", json!("none"))),
        (
            "a service token",
            changed("lxm", json!("com.atproto.server.getSession")),
        ),
        ("bound to a key", changed("cnf", json!({"jkt": "x"}))),
        ("garbage", "x".repeat(10_000)),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ];
    for (case, token) in tokens {
        assert_refused(&with_token(&app, &token).await, case);
        let thief = Account {
            access: token.clone(),
            ..alice.clone()
        };
        let input = alice.write("com.example.note", "stolen", &json!({"text": "x"}));
        assert_refused(&thief.call("com.atproto.repo.createRecord", &input).await, case);
        if token != alice.refresh {
            assert_refused(&refresh(&app, &token).await, case);
        }
    }
    assert_eq!(
        with_token(&app, &changed("exp", json!(now() - 1)))
            .await
            .refused(400, "ExpiredToken"),
        "Token has expired"
    );
    assert_refused(&refresh(&app, &alice.access).await, "an access token");
    for authorization in ["Bearer", "Basic Og==", "DPoP x", "Negotiate x", "bearer"] {
        let request = app
            .api
            .get("com.atproto.server.getSession", &[])
            .header("authorization", authorization);
        assert_refused(&Answer::to(request).await.unwrap(), authorization);
    }
    untouched.assert(&app).await;
}

#[tokio::test]
async fn logging_out_ends_every_token_of_the_session_alone() {
    let mut app = TestApp::start().await;
    let first = app.account("alice").await;
    let login = json!({"identifier": "alice.test", "password": password("alice")});
    let second = Account::new(
        &app.api,
        &app.api.procedure("com.atproto.server.createSession", &login).await.ok(),
    );
    let next = refresh(&app, &first.refresh).await.ok();
    let next = Account::new(&app.api, &next);

    Answer::to(app.api.post(LOG_OUT).bearer_auth(&next.refresh))
        .await
        .unwrap()
        .ok();
    for _ in 0..2 {
        first.session().await.refused(400, "ExpiredToken");
        next.session().await.refused(400, "ExpiredToken");
        refresh(&app, &first.refresh).await.refused(400, "ExpiredToken");
        refresh(&app, &next.refresh).await.refused(400, "ExpiredToken");
        second.session().await.ok();
        app.restart().await;
    }
    Answer::to(app.api.post(LOG_OUT).bearer_auth(&next.refresh))
        .await
        .unwrap()
        .ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_repeated_gives_the_same_next_token() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let request = app.api.post(REFRESH).bearer_auth(&alice.refresh);
        calls.spawn(async move {
            Answer::to(request).await.unwrap().ok()["refreshJwt"]
                .as_str()
                .unwrap()
                .to_owned()
        });
    }
    let mut tokens = calls.join_all().await;
    tokens.push(
        refresh(&app, &alice.refresh).await.ok()["refreshJwt"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "one lineage");
    assert_ne!(tokens[0], alice.refresh);
    let next = refresh(&app, &tokens[0]).await.ok();
    assert_ne!(next["refreshJwt"], tokens[0].as_str());
    assert_eq!(
        with_token(&app, next["accessJwt"].as_str().unwrap()).await.ok()["handle"],
        "alice.test"
    );
    alice.session().await.ok();
}

#[tokio::test]
async fn logging_in_tells_nothing_but_right_or_wrong() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let log_in = async |identifier: &str, password: &str| {
        let input = json!({"identifier": identifier, "password": password});
        app.api.procedure("com.atproto.server.createSession", &input).await
    };
    let right = password("alice");
    for identifier in [
        "alice.test",
        "ALICE.TEST",
        alice.did.as_str(),
        "alice@mail.example.com",
        "Alice@Mail.Example.com",
    ] {
        assert_eq!(
            log_in(identifier, &right).await.ok()["did"],
            alice.did.as_str(),
            "{identifier}"
        );
    }
    let wrong = log_in("alice.test", "wrong")
        .await
        .refused(401, "AuthenticationRequired");
    for (identifier, password) in [
        ("nobody.test", right.as_str()),
        ("alice.test", ""),
        ("", ""),
        ("x@y.z", "x"),
        ("'; --", "x"),
    ] {
        assert_eq!(
            log_in(identifier, password)
                .await
                .refused(401, "AuthenticationRequired"),
            wrong,
            "{identifier}"
        );
    }
    let long = "x".repeat(20_000);
    assert_refused(&log_in("alice.test", &long).await, "a long password");
    assert_refused(&log_in(&long, "x").await, "a long identifier");
}

#[tokio::test]
async fn admin_methods_are_for_the_admin() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let create = "com.atproto.server.createInviteCode";
    let input = json!({"useCount": 1});
    app.api
        .procedure(create, &input)
        .await
        .refused(401, "AuthenticationRequired");
    assert_refused(&alice.call(create, &input).await, "a user");
    for (user, password) in [
        ("admin", "wrong"),
        ("admin", ""),
        ("root", crate::harness::ADMIN_PASSWORD),
        ("", ""),
    ] {
        let request = app.api.post(create).basic_auth(user, Some(password)).json(&input);
        Answer::to(request)
            .await
            .unwrap()
            .refused(401, "AuthenticationRequired");
    }
    for bad in [
        json!({}),
        json!({"useCount": -1}),
        json!({"useCount": "1"}),
        json!({"useCount": 1, "forAccount": "x"}),
    ] {
        let request = app
            .api
            .post(create)
            .basic_auth("admin", Some(crate::harness::ADMIN_PASSWORD))
            .json(&bad);
        assert_refused(&Answer::to(request).await.unwrap(), &bad.to_string());
    }
}
