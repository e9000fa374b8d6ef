//! What administrators do to accounts and records: takedowns, changes, deletion (catalogue AD, F11).

use atproto_repo::Frame;
use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, password};
use crate::{Account, Answer, TestApp};

const UPDATE: &str = "com.atproto.admin.updateSubjectStatus";
const STATUS: &str = "com.atproto.admin.getSubjectStatus";
const DELETE: &str = "com.atproto.admin.deleteAccount";
const NOBODY: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

async fn admin(app: &TestApp, nsid: &str, input: &Value) -> Answer {
    let request = app.api.post(nsid).basic_auth("admin", Some(ADMIN_PASSWORD));
    Answer::to(request.json(input)).await.unwrap()
}

async fn admin_query(app: &TestApp, nsid: &str, params: &[(&str, &str)]) -> Answer {
    let request = app.api.get(nsid, params).basic_auth("admin", Some(ADMIN_PASSWORD));
    Answer::to(request).await.unwrap()
}

fn repo_ref(account: &Account) -> Value {
    json!({"$type": "com.atproto.admin.defs#repoRef", "did": account.did.as_str()})
}

async fn set_takedown(app: &TestApp, subject: &Value, applied: bool) -> Answer {
    let input = json!({"subject": subject, "takedown": {"applied": applied, "ref": "case"}});
    admin(app, UPDATE, &input).await
}

/// `active` and `status` of the next event, which is one of an account.
async fn next_status(firehose: &mut crate::Firehose) -> (bool, Option<String>) {
    match firehose.frame().await {
        Frame::Account { active, status, .. } => (active, status.map(|status| status.as_str().to_owned())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_taken_down_account_is_shut_out_and_hidden_until_it_is_let_up() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let subject = repo_ref(&alice);
    let mut firehose = app.firehose(None).await;
    let answer = set_takedown(&app, &subject, true).await.ok();
    assert_eq!(
        answer,
        json!({"subject": subject, "takedown": {"applied": true, "ref": "case"}})
    );
    assert_eq!(next_status(&mut firehose).await, (false, Some("takendown".to_owned())));

    let write = alice.write("com.example.note", "a", &json!({"text": "x"}));
    alice
        .call("com.atproto.repo.createRecord", &write)
        .await
        .refused(401, "AccountTakedown");
    alice.session().await.refused(401, "AccountTakedown");
    let refresh = app
        .api
        .post("com.atproto.server.refreshSession")
        .bearer_auth(&alice.refresh);
    Answer::to(refresh).await.unwrap().refused(401, "AccountTakedown");
    let did = [("did", alice.did.as_str())];
    app.api
        .query("com.atproto.sync.getRepo", &did)
        .await
        .refused(400, "RepoTakendown");
    admin_query(&app, "com.atproto.sync.getRepo", &did).await.bytes();
    let handle = [("handle", "alice.test")];
    app.api
        .query("com.atproto.identity.resolveHandle", &handle)
        .await
        .refused(400, "HandleNotFound");
    let status = admin_query(&app, STATUS, &did).await.ok();
    assert_eq!(status["takedown"], json!({"applied": true, "ref": "case"}));

    set_takedown(&app, &subject, false).await.ok();
    assert_eq!(next_status(&mut firehose).await, (true, None));
    let login = json!({"identifier": "alice.test", "password": password("alice")});
    let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    let again = Account::new(&app.api, &session);
    again.create("com.example.note", "a", &json!({"text": "x"})).await;
}

#[tokio::test]
async fn a_taken_down_record_is_hidden_but_stays_in_the_repo() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let bad = alice.create("com.example.note", "bad", &json!({"text": "x"})).await;
    alice.create("com.example.note", "good", &json!({"text": "x"})).await;
    let head = alice.head().await;
    let subject = json!({"$type": "com.atproto.repo.strongRef", "uri": bad["uri"], "cid": bad["cid"]});
    let record = [
        ("repo", alice.did.as_str()),
        ("collection", "com.example.note"),
        ("rkey", "bad"),
    ];
    let listed = async || {
        let listed = app.api.query("com.atproto.repo.listRecords", &record[..2]).await.ok();
        listed["records"].as_array().unwrap().len()
    };
    set_takedown(&app, &subject, true).await.ok();
    app.api
        .query("com.atproto.repo.getRecord", &record)
        .await
        .refused(400, "RecordNotFound");
    assert_eq!(listed().await, 1);
    let status = admin_query(&app, STATUS, &[("uri", bad["uri"].as_str().unwrap())])
        .await
        .ok();
    assert_eq!(
        (&status["takedown"]["applied"], &status["subject"]),
        (&json!(true), &subject)
    );
    assert_eq!(alice.head().await, head);
    set_takedown(&app, &subject, false).await.ok();
    app.api.query("com.atproto.repo.getRecord", &record).await.ok();
    assert_eq!(listed().await, 2);
}

#[tokio::test]
async fn wrong_decisions_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let subject = repo_ref(&alice);
    for (input, error) in [
        (json!({}), "InvalidRequest"),
        (json!({"subject": {"$type": "foo"}}), "InvalidRequest"),
        (json!({"subject": {"did": alice.did.as_str()}}), "InvalidRequest"),
        (json!({"subject": subject, "takedown": {}}), "InvalidRequest"),
        (
            json!({"subject": subject, "takedown": {"applied": "yes"}}),
            "InvalidRequest",
        ),
        (
            json!({"subject": subject, "takedown": {"applied": true}, "deactivated": {"applied": false}}),
            "InvalidRequest",
        ),
        (
            json!({"subject": {"$type": "com.atproto.admin.defs#repoRef", "did": NOBODY}, "takedown": {"applied": true}}),
            "NotFound",
        ),
    ] {
        admin(&app, UPDATE, &input).await.refused(400, error);
    }
    admin_query(&app, STATUS, &[]).await.refused(400, "InvalidRequest");
    admin_query(&app, STATUS, &[("did", NOBODY)])
        .await
        .refused(400, "NotFound");
    let input = json!({"subject": subject, "takedown": {"applied": true}});
    app.api
        .procedure(UPDATE, &input)
        .await
        .refused(401, "AuthenticationRequired");
    let denied = alice.call(UPDATE, &input).await;
    assert!((400..500).contains(&denied.status), "{denied:?}");
    alice.session().await.ok();
}

#[tokio::test]
async fn administrators_switch_accounts_off_and_on() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let switch = async |applied: bool| {
        let input = json!({"subject": repo_ref(&alice), "deactivated": {"applied": applied}});
        assert_eq!(
            admin(&app, UPDATE, &input).await.ok(),
            json!({"subject": repo_ref(&alice)})
        );
        alice.session().await.ok()["active"].clone()
    };
    assert_eq!(switch(true).await, false);
    assert_eq!(switch(false).await, true);
}

#[tokio::test]
async fn a_decision_that_changes_nothing_tells_relays_the_status_again() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut firehose = app.firehose(None).await;
    let input = json!({"subject": repo_ref(&alice)});
    assert_eq!(admin(&app, UPDATE, &input).await.ok(), input);
    assert_eq!(next_status(&mut firehose).await, (true, None));
    set_takedown(&app, &repo_ref(&alice), true).await.ok();
    admin(&app, UPDATE, &input).await.ok();
    for _ in 0..2 {
        let told = next_status(&mut firehose).await;
        assert_eq!(told, (false, Some("takendown".to_owned())));
    }
}

#[tokio::test]
async fn administrators_see_and_change_accounts() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    app.account("bob").await;
    let did = alice.did.as_str();
    let change = async |method: &str, input: Value| admin(&app, &format!("com.atproto.admin.{method}"), &input).await;
    change("updateAccountHandle", json!({"did": did, "handle": "admin.test"}))
        .await
        .ok();
    change("updateAccountHandle", json!({"did": did, "handle": "bob.test"}))
        .await
        .refused(400, "HandleNotAvailable");
    change(
        "updateAccountEmail",
        json!({"account": "admin.test", "email": "new@mail.example.com"}),
    )
    .await
    .ok();
    for (account, email) in [
        ("nobody.test", "x@mail.example.com"),
        (did, "bob@mail.example.com"),
        (did, "x"),
    ] {
        let refused = change("updateAccountEmail", json!({"account": account, "email": email})).await;
        refused.refused(400, "InvalidRequest");
    }
    change(
        "updateAccountPassword",
        json!({"did": did, "password": "chosen for alice"}),
    )
    .await
    .ok();
    alice.session().await.refused(400, "ExpiredToken");
    let login = json!({"identifier": "new@mail.example.com", "password": "chosen for alice"});
    assert_eq!(
        app.api.procedure("com.atproto.server.createSession", &login).await.ok()["handle"],
        "admin.test"
    );

    let view = admin_query(&app, "com.atproto.admin.getAccountInfo", &[("did", did)])
        .await
        .ok();
    assert_eq!(
        (&view["handle"], &view["email"]),
        (&json!("admin.test"), &json!("new@mail.example.com"))
    );
    assert_eq!(view["invitedBy"]["uses"][0]["usedBy"], did);
    let dids = [("dids", did), ("dids", NOBODY)];
    let infos = admin_query(&app, "com.atproto.admin.getAccountInfos", &dids).await.ok();
    assert_eq!(infos["infos"], json!([view]));
    let search = [("email", "mail.example.com"), ("limit", "1")];
    let first = admin_query(&app, "com.atproto.admin.searchAccounts", &search)
        .await
        .ok();
    assert_eq!(first["accounts"], json!([view]));
    let cursor = first["cursor"].as_str().unwrap();
    let rest = admin_query(&app, "com.atproto.admin.searchAccounts", &[("cursor", cursor)])
        .await
        .ok();
    assert_eq!(rest["accounts"][0]["handle"], "bob.test");
    app.api
        .query("com.atproto.admin.getAccountInfo", &[("did", did)])
        .await
        .refused(401, "AuthenticationRequired");
}

#[tokio::test]
async fn of_a_deleted_account_only_the_deletion_is_told() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let bob = app.account("bob").await;
    for index in 0..5 {
        alice
            .create("com.example.note", &index.to_string(), &json!({"text": "x"}))
            .await;
    }
    bob.create("com.example.note", "a", &json!({"text": "x"})).await;
    admin(&app, DELETE, &json!({"did": alice.did.as_str()})).await.ok();
    admin(&app, DELETE, &json!({"did": alice.did.as_str()})).await.ok();
    let did = [("did", alice.did.as_str())];
    app.api
        .query("com.atproto.sync.getRepoStatus", &did)
        .await
        .refused(400, "RepoNotFound");
    alice.session().await.refused(400, "InvalidRequest");

    // What the background has not removed yet is removed at the start.
    let mut app = app;
    app.restart().await;
    let marker = bob.create("com.example.note", "marker", &json!({"text": "x"})).await;
    let mut firehose = app.firehose(Some(0)).await;
    let mut of_alice = Vec::new();
    loop {
        match firehose.frame().await {
            Frame::Commit(commit) if commit.did == alice.did => of_alice.push("#commit".to_owned()),
            Frame::Commit(commit) if commit.commit.to_string() == marker["commit"]["cid"] => break,
            Frame::Account { did, status, .. } if did == alice.did => {
                of_alice.push(format!("#account {}", status.map_or("", |status| status.as_str())));
            }
            Frame::Identity { did, .. } | Frame::Sync { did, .. } if did == alice.did => {
                of_alice.push("#other".to_owned());
            }
            _ => {}
        }
    }
    assert_eq!(of_alice, ["#account deleted"]);
}
