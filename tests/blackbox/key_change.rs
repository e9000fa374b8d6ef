//! Another signing key for an account, by its administrator.

use atproto_repo::Frame;
use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, Fault};
use crate::repo_car::verify_repo;
use crate::{Account, Answer, TestApp};

const CHANGE: &str = "com.atproto.admin.updateAccountSigningKey";

async fn change(app: &TestApp, account: &Account, key: &Value) -> Answer {
    let input = json!({"did": account.did.as_str(), "signingKey": key});
    let request = app.api.post(CHANGE).basic_auth("admin", Some(ADMIN_PASSWORD));
    Answer::to(request.json(&input)).await.unwrap()
}

async fn reserve(app: &TestApp, input: &Value) -> Value {
    let reserved = app
        .api
        .procedure("com.atproto.server.reserveSigningKey", input)
        .await
        .ok();
    reserved["signingKey"].clone()
}

/// The repo verifies with the key of the DID, which is this one, and writes go on.
async fn assert_signed_with(app: &TestApp, alice: &Account, key: &Value) {
    let public_key = app.plc.signing_key(&alice.did);
    assert_eq!(json!(public_key.to_did_key()), *key);
    let before = verify_repo(&alice.export().await, &alice.did, &public_key);
    alice
        .put("com.example.note", "a", &json!({"text": before.rev.to_string()}))
        .await;
    let after = verify_repo(&alice.export().await, &alice.did, &public_key);
    assert!(after.rev > before.rev);
}

#[tokio::test]
async fn a_reserved_key_takes_over() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.put("com.example.note", "a", &json!({"text": "x"})).await;
    for reserved_for in [json!({"did": alice.did.as_str()}), json!({})] {
        let key = reserve(&app, &reserved_for).await;
        let mut firehose = app.firehose(None).await;
        change(&app, &alice, &key).await.ok();
        assert!(matches!(firehose.frame().await, Frame::Identity { did, .. } if did == alice.did));
        assert!(matches!(firehose.frame().await, Frame::Sync { did, .. } if did == alice.did));
        assert_signed_with(&app, &alice, &key).await;
        // Once more repairs what may have been left half-done, and changes nothing.
        change(&app, &alice, &key).await.ok();
        assert_signed_with(&app, &alice, &key).await;
    }
}

#[tokio::test]
async fn a_backup_from_before_the_change_is_taken_and_its_signature_reported() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.put("com.example.note", "old", &json!({"text": "x"})).await;
    let backup = alice.export().await;
    let key = reserve(&app, &json!({"did": alice.did.as_str()})).await;
    change(&app, &alice, &key).await.ok();
    alice.delete("com.example.note", "old").await;

    let import = app.api.post("com.atproto.repo.importRepo").bearer_auth(&alice.access);
    let import = import.header("content-type", "application/vnd.ipld.car").body(backup);
    Answer::to(import).await.unwrap().ok();
    let log = app.process().log().join("\n");
    assert!(
        log.contains("is not signed with the key in the account's DID document"),
        "{log}"
    );
    assert_signed_with(&app, &alice, &key).await;
    let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
    assert!(repo.records.contains_key("com.example.note/old"));
}

#[tokio::test]
async fn a_change_survives_a_directory_that_fails_and_a_restart() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let old = json!(app.plc.signing_key(&alice.did).to_did_key());
    let key = reserve(&app, &json!({"did": alice.did.as_str()})).await;
    app.plc.fails(Fault::Refuse(500));
    change(&app, &alice, &key).await.refused(502, "UpstreamFailure");
    app.plc.fails(Fault::None);
    assert_signed_with(&app, &alice, &old).await;
    change(&app, &alice, &key).await.ok();
    app.restart().await;
    assert_signed_with(&app, &alice, &key).await;
}

#[tokio::test]
async fn a_key_that_the_server_has_not_got_is_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let old = json!(app.plc.signing_key(&alice.did).to_did_key());
    let of_bob = reserve(&app, &json!({"did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"})).await;
    let unknown = json!("did:key:zDnaeYNSMUNYnrhGvg67JvuuqKMu9m3XYK9mbSMcEYMHHwWD1");
    for key in [&unknown, &of_bob, &json!("nonsense"), &json!("")] {
        change(&app, &alice, key).await.refused(400, "InvalidRequest");
    }
    change(&app, &alice, &json!(1)).await.refused(400, "InvalidRequest");
    let input = json!({"did": alice.did.as_str(), "signingKey": old});
    alice.call(CHANGE, &input).await.refused(401, "AuthenticationRequired");
    assert_signed_with(&app, &alice, &old).await;
}
