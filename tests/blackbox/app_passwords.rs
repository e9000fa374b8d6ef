//! App passwords: what they open and what they must not (catalogue G2, G4).

use serde_json::json;

use crate::{Account, TestApp};

const CREATE: &str = "com.atproto.server.createAppPassword";
const LIST: &str = "com.atproto.server.listAppPasswords";
const REVOKE: &str = "com.atproto.server.revokeAppPassword";

/// A session of a new app password.
async fn session_of_new(app: &TestApp, owner: &Account, name: &str) -> Account {
    let made = owner.call(CREATE, &json!({"name": name})).await.ok();
    assert_eq!((&made["name"], &made["privileged"]), (&json!(name), &json!(false)));
    let login = json!({"identifier": owner.handle, "password": made["password"]});
    let session = app.api.procedure("com.atproto.server.createSession", &login).await;
    Account::new(&app.api, &session.ok())
}

async fn names(account: &Account) -> Vec<String> {
    let listed = account.query(LIST, &[]).await.ok();
    let listed = listed["passwords"].as_array().unwrap();
    listed
        .iter()
        .map(|password| password["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn they_write_records_and_do_nothing_else_to_the_account() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let phone = session_of_new(&app, &alice, "phone").await;
    session_of_new(&app, &alice, "tablet").await;
    phone.create("com.example.note", "a", &json!({"text": "x"})).await;

    for (nsid, input) in [
        (CREATE, json!({"name": "nested"})),
        (REVOKE, json!({"name": "tablet"})),
        ("com.atproto.identity.updateHandle", json!({"handle": "mallory.test"})),
        ("com.atproto.server.deactivateAccount", json!({})),
        ("com.atproto.server.activateAccount", json!({})),
    ] {
        phone.call(nsid, &input).await.refused(400, "InvalidToken");
    }
    assert_eq!(names(&alice).await, ["tablet", "phone"]);
    alice
        .call(CREATE, &json!({"name": "phone"}))
        .await
        .refused(400, "InvalidRequest");
    alice.call(CREATE, &json!({})).await.refused(400, "InvalidRequest");
}

#[tokio::test]
async fn revoking_one_ends_its_tokens_at_once() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let phone = session_of_new(&app, &alice, "phone").await;
    let tablet = session_of_new(&app, &alice, "tablet").await;
    alice.call(REVOKE, &json!({"name": "phone"})).await.ok();
    tablet.call(REVOKE, &json!({"name": "tablet"})).await.ok();
    alice.call(REVOKE, &json!({"name": "none"})).await.ok();
    for _ in 0..2 {
        for ended in [&phone, &tablet] {
            ended.session().await.refused(400, "ExpiredToken");
            let input = ended.write("com.example.note", "b", &json!({"text": "x"}));
            let write = ended.call("com.atproto.repo.createRecord", &input).await;
            write.refused(400, "ExpiredToken");
        }
        alice.session().await.ok();
        assert!(names(&alice).await.is_empty());
        app.restart().await;
    }
}

#[tokio::test]
async fn service_tokens_for_direct_messages_take_a_privileged_one() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let get = "com.atproto.server.getServiceAuth";
    let chat = [("aud", "did:web:chat.example"), ("lxm", "chat.bsky.convo.getLog")];
    let create = [
        ("aud", "did:web:chat.example"),
        ("lxm", "com.atproto.server.createAccount"),
    ];
    let other = [("aud", "did:web:api.example"), ("lxm", "app.bsky.feed.getTimeline")];
    let phone = session_of_new(&app, &alice, "phone").await;
    for params in [chat, create] {
        let message = phone.query(get, &params).await.refused(400, "InvalidRequest");
        let reason = "insufficient access to request a service auth token for the following method";
        assert!(message.starts_with(reason), "{message}");
    }
    phone.query(get, &other).await.ok();
    let privileged = json!({"name": "desktop", "privileged": true});
    let made = alice.call(CREATE, &privileged).await.ok();
    let login = json!({"identifier": alice.handle, "password": made["password"]});
    let session = app.api.procedure("com.atproto.server.createSession", &login).await;
    let desktop = Account::new(&app.api, &session.ok());
    desktop.query(get, &chat).await.ok();
    alice.query(get, &create).await.ok();
}
