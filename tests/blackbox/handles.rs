//! Handles: which are free, which are kept back, and DID documents with sessions (catalogue B2).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::UdpSocket;

use crate::harness::{ADMIN_PASSWORD, Fault, password};
use crate::{Answer, TestApp};

const CHECK: &str = "com.atproto.temp.checkHandleAvailability";
const RESERVE: &str = "com.atproto.temp.addReservedHandle";

async fn admin(app: &TestApp, nsid: &str, input: &Value) -> Answer {
    let request = app.api.post(nsid).basic_auth("admin", Some(ADMIN_PASSWORD)).json(input);
    Answer::to(request).await.unwrap()
}

async fn check(app: &TestApp, handle: &str) -> Value {
    let answer = app.api.query(CHECK, &[("handle", handle)]).await.ok();
    assert_eq!(answer["handle"], handle.to_lowercase());
    answer["result"].clone()
}

#[tokio::test]
async fn people_learn_whether_a_handle_is_free_and_what_is() {
    let app = TestApp::start().await;
    app.account("alice").await;
    let free = json!({"$type": "com.atproto.temp.checkHandleAvailability#resultAvailable"});
    assert_eq!(check(&app, "bob.test").await, free);
    let taken = check(&app, "ALICE.test").await;
    assert_eq!(
        taken["$type"],
        "com.atproto.temp.checkHandleAvailability#resultUnavailable"
    );
    let suggested = taken["suggestions"].as_array().unwrap();
    assert_eq!(suggested.len(), 3);
    for suggestion in suggested {
        assert_eq!(check(&app, suggestion["handle"].as_str().unwrap()).await, free);
    }
    for handle in ["admin.test", "a.test", "a.b.test", "pds.test", "alice.example.com"] {
        let result = check(&app, handle).await;
        assert_eq!(
            result["$type"], "com.atproto.temp.checkHandleAvailability#resultUnavailable",
            "{handle}"
        );
    }
    for params in [
        [("handle", "no handle"), ("email", "a@b.c")],
        [("handle", "bob.test"), ("email", "nope")],
    ] {
        assert_eq!(app.api.query(CHECK, &params).await.status, 400);
    }
    app.api.query(CHECK, &[]).await.refused(400, "InvalidRequest");
}

#[tokio::test]
async fn administrators_keep_handles_back() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    app.api
        .procedure(RESERVE, &json!({"handle": "mayor.test"}))
        .await
        .refused(401, "AuthenticationRequired");
    admin(&app, RESERVE, &json!({"handle": "Sheriff.test"})).await.ok();
    admin(&app, RESERVE, &json!({"handle": "sheriff.test"})).await.ok();
    admin(&app, RESERVE, &json!({"handle": "not a handle"}))
        .await
        .refused(400, "InvalidRequest");
    let mut sign_up = app.sign_up("sheriff").await;
    let create = "com.atproto.server.createAccount";
    app.api
        .procedure(create, &sign_up)
        .await
        .refused(400, "HandleNotAvailable");
    let update = "com.atproto.identity.updateHandle";
    alice
        .call(update, &json!({"handle": "sheriff.test"}))
        .await
        .refused(400, "HandleNotAvailable");
    // Nothing of the invite was used up.
    sign_up["handle"] = json!("deputy.test");
    app.api.procedure(create, &sign_up).await.ok();
    let by_admin = json!({"did": alice.did, "handle": "sheriff.test"});
    admin(&app, "com.atproto.admin.updateAccountHandle", &by_admin)
        .await
        .ok();
}

#[tokio::test]
async fn the_servers_own_names_are_handles_by_decision_of_the_administrator() {
    let app = TestApp::start_with(&[("PDS_SERVICE_HANDLE_DOMAINS", ".test,.people.example.com")]).await;
    let alice = app.account("alice").await;
    for handle in ["pds.test", "people.example.com"] {
        let wish = json!({"handle": handle});
        let refused = alice.call("com.atproto.identity.updateHandle", &wish).await;
        assert_eq!(refused.status, 400, "{handle}");
        let by_admin = json!({"did": alice.did, "handle": handle});
        admin(&app, "com.atproto.admin.updateAccountHandle", &by_admin)
            .await
            .ok();
        assert_eq!(
            app.plc.last(&alice.did)["alsoKnownAs"],
            json!([format!("at://{handle}")])
        );
        let file = app.api.page(reqwest::Method::GET, "/.well-known/atproto-did");
        let file = Answer::to(file.header("host", handle)).await.unwrap();
        assert_eq!(file.bytes(), alice.did.as_str().as_bytes());
        let found = app
            .api
            .query("com.atproto.identity.resolveHandle", &[("handle", handle)])
            .await;
        assert_eq!(found.ok()["did"], alice.did.as_str());
    }
}

#[tokio::test]
async fn sessions_come_with_the_did_document_if_the_operator_wants() {
    for (setting, wanted) in [("true", true), ("false", false)] {
        let app = TestApp::start_with(&[("PDS_ENABLE_DID_DOC_WITH_SESSION", setting)]).await;
        let alice = app.account("alice").await;
        let login = json!({"identifier": "alice.test", "password": password("alice")});
        let opened = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
        let refresh = app
            .api
            .post("com.atproto.server.refreshSession")
            .bearer_auth(&alice.refresh);
        let refreshed = Answer::to(refresh).await.unwrap().ok();
        for answer in [opened, refreshed, alice.session().await.ok()] {
            let id = answer["didDoc"]["id"].as_str();
            assert_eq!(id, Some(alice.did.as_str()).filter(|_| wanted), "{answer}");
        }
    }
}

#[tokio::test]
async fn sessions_do_not_wait_for_a_directory_that_is_silent() {
    // The directory is waited for longer than this test's client waits.
    let settings = [
        ("PDS_ENABLE_DID_DOC_WITH_SESSION", "true"),
        ("PDS_ID_RESOLVER_TIMEOUT", "60000"),
    ];
    let mut app = TestApp::start_with(&settings).await;
    let alice = app.account("alice").await;
    app.plc.fails(Fault::Silent);
    app.restart().await;
    let login = json!({"identifier": "alice.test", "password": password("alice")});
    let opened = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    for answer in [opened, alice.session().await.ok()] {
        assert_eq!(answer["handle"], "alice.test");
        assert!(answer["didDoc"].is_null(), "{answer}");
    }
}

#[tokio::test]
async fn an_account_whose_credentials_are_revoked_lets_nobody_in() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let named = json!({"name": "app"});
    let made = alice.call("com.atproto.server.createAppPassword", &named).await.ok();
    let revoke = "com.atproto.temp.revokeAccountCredentials";
    app.api
        .procedure(revoke, &json!({"account": alice.did}))
        .await
        .refused(401, "AuthenticationRequired");
    admin(&app, revoke, &json!({"account": "nobody.test"}))
        .await
        .refused(400, "InvalidRequest");
    admin(&app, revoke, &json!({"account": "alice.test"})).await.ok();
    alice.session().await.refused(400, "ExpiredToken");
    for secret in [password("alice").as_str(), made["password"].as_str().unwrap()] {
        let login = json!({"identifier": "alice.test", "password": secret});
        let answer = app.api.procedure("com.atproto.server.createSession", &login).await;
        answer.refused(401, "AuthenticationRequired");
    }
}

/// A name server that knows one name, by its address; the text under that name is what the second value holds.
async fn name_server(labels: &[&str]) -> (String, Arc<Mutex<String>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let text = Arc::new(Mutex::new(String::new()));
    let mut known: Vec<u8> = labels
        .iter()
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
        .collect();
    // The end of the name, type TXT, class IN (RFC 1035 §4.1.2).
    known.extend([0, 0, 16, 0, 1]);
    let shared = Arc::clone(&text);
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query).await {
            let question = query[12..length].get(..known.len()).unwrap_or_default();
            let is_known = question.eq_ignore_ascii_case(&known);
            let text = shared.lock().unwrap().clone();
            let size = u8::try_from(text.len()).unwrap();
            // A recursive answer without error: the question, and one record that refers to its name.
            let head = [query[0], query[1], 0x81, 0x80, 0, 1, 0, u8::from(is_known), 0, 0, 0, 0];
            let record = [
                &[0xC0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, size + 1, size],
                text.as_bytes(),
            ]
            .concat();
            let end = 12 + query[12..length].iter().position(|byte| *byte == 0).unwrap_or_default() + 5;
            let mut answer = [&head, &query[12..end]].concat();
            if is_known {
                answer.extend(record);
            }
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    (address, text)
}

#[tokio::test]
async fn an_administrator_gives_a_handle_of_another_domain_that_points_to_the_account() {
    let (address, text) = name_server(&["_atproto", "alice", "example", "com"]).await;
    let app = TestApp::start_with(&[("PDS_HANDLE_BACKUP_NAMESERVERS", &address)]).await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    *text.lock().unwrap() = format!("did={}", alice.did);
    let update = "com.atproto.admin.updateAccountHandle";
    for (did, handle) in [(&bob.did, "alice.example.com"), (&alice.did, "bob.example.com")] {
        let input = json!({"did": did, "handle": handle});
        admin(&app, update, &input).await.refused(400, "InvalidRequest");
    }
    let input = json!({"did": alice.did, "handle": "alice.example.com"});
    admin(&app, update, &input).await.ok();
    assert_eq!(alice.session().await.ok()["handle"], "alice.example.com");
}
