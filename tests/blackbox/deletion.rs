//! Accounts that are deleted on a date that their owners chose, and what is left of them.

use std::time::Duration;

use atproto_repo::{AccountStatus, Frame};
use serde_json::json;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::blobs::files;
use crate::harness::password;
use crate::{Account, Answer, Firehose, TestApp, mailed_codes};

const DEACTIVATE: &str = "com.atproto.server.deactivateAccount";

async fn has_a_blob(account: &Account) {
    let upload = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access);
    let upload = upload.header("content-type", "text/plain").body(account.handle.clone());
    let blob = Answer::to(upload).await.unwrap().ok()["blob"].clone();
    account.create("com.example.file", "a", &json!({"file": blob})).await;
}

/// Reads until the firehose tells that an account is deleted.
async fn told(firehose: &mut Firehose, account: &Account) {
    loop {
        if let Frame::Account { did, status, .. } = firehose.frame().await
            && did == account.did
            && status == Some(AccountStatus::Deleted)
        {
            return;
        }
    }
}

/// Waits until the blobs' directory has so many files.
async fn left(app: &TestApp, number: usize) {
    let removed = async {
        while files(app).len() != number {
            tokio::task::yield_now().await;
        }
    };
    let removed = tokio::time::timeout(Duration::from_secs(20), removed).await;
    assert!(removed.is_ok(), "{:?}", files(app));
}

#[tokio::test]
async fn an_account_whose_date_has_come_is_deleted_with_its_files() {
    let mut app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    for account in [&alice, &bob] {
        has_a_blob(account).await;
    }
    assert_eq!(files(&app).len(), 2);
    for (account, date) in [(&alice, "2020-01-01T00:00:00Z"), (&bob, "2999-01-01T00:00:00Z")] {
        account.call(DEACTIVATE, &json!({"deleteAfter": date})).await.ok();
    }
    // The jobs begin with the server.
    app.restart().await;
    told(&mut app.firehose(Some(0)).await, &alice).await;
    let status = async |account: &Account| {
        let did = [("did", account.did.as_str())];
        app.api.query("com.atproto.sync.getRepoStatus", &did).await
    };
    status(&alice).await.refused(400, "RepoNotFound");
    alice.session().await.refused(400, "InvalidRequest");
    assert_eq!(status(&bob).await.ok()["status"], "deactivated");

    app.restart().await;
    left(&app, 1).await;
    assert_eq!(bob.session().await.ok()["status"], "deactivated");
}

/// Says things in every place where an account keeps something; `mark` stands in each.
async fn says_everywhere(account: &Account, mark: &str) {
    has_a_blob(account).await;
    account
        .create("com.example.note", "words", &json!({"text": mark}))
        .await;
    account
        .create("com.example.note", mark, &json!({"text": "words"}))
        .await;
    let preferences = json!({"preferences": [
        {"$type": "app.bsky.actor.defs#interestsPref", "tags": [mark]}
    ]});
    account.call("app.bsky.actor.putPreferences", &preferences).await.ok();
    let name = json!({"name": mark});
    account.call("com.atproto.server.createAppPassword", &name).await.ok();
    let login = json!({"identifier": account.handle, "password": password("alice")});
    let login = account.api.procedure("com.atproto.server.createSession", &login).await;
    login.ok();
}

/// The tables in which one of these texts stands, in any column.
async fn tables_with(app: &TestApp, texts: &[&str]) -> Vec<String> {
    let url = format!("sqlite://{}?mode=ro", app.data().join("pds.sqlite").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await.unwrap();
    let mut found = Vec::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
            .bind(&table)
            .fetch_all(&mut database)
            .await
            .unwrap();
        let is_in = |column: &String| format!("instr(CAST(\"{column}\" AS BLOB), CAST($1 AS BLOB)) > 0");
        let anywhere = columns.iter().map(is_in).collect::<Vec<_>>().join(" OR ");
        for text in texts {
            let sql = format!("SELECT count(*) FROM \"{table}\" WHERE {anywhere}");
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(text);
            let rows: i64 = rows.fetch_one(&mut database).await.unwrap().get(0);
            if rows > 0 {
                found.push(format!("{table}: {text}"));
            }
        }
    }
    found
}

#[tokio::test]
async fn nothing_that_a_deleted_account_said_stays() {
    let mut app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let mark = "a-word-of-alice";
    says_everywhere(&alice, mark).await;
    has_a_blob(&bob).await;
    let texts = [mark, alice.did.as_str(), "alice.test", "alice@mail.example.com"];
    let before = tables_with(&app, &texts).await;
    for place in [
        "account: alice@mail.example.com",
        "event: a-word-of-alice",
        "preferences: a-word-of-alice",
    ] {
        assert!(
            before.iter().any(|found| found == place),
            "{place} is missing in {before:?}"
        );
    }
    for table in ["app_password", "record"] {
        assert!(
            before.contains(&format!("{table}: {mark}")),
            "{table} is missing in {before:?}"
        );
    }
    let input = json!({"did": alice.did});
    app.administer("com.atproto.admin.deleteAccount", &input).await.ok();
    // The jobs begin with the server.
    app.restart().await;
    left(&app, 1).await;
    // The notice for the network, whose invite it was, and the handle that is kept back.
    let did = &alice.did;
    let remains = [
        format!("event: {did}"),
        format!("invite_code_use: {did}"),
        format!("left_handle: {did}"),
        "left_handle: alice.test".to_owned(),
    ];
    let emptied = async {
        loop {
            let after = tables_with(&app, &texts).await;
            if after == remains {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let emptied = tokio::time::timeout(Duration::from_secs(20), emptied).await;
    assert!(emptied.is_ok(), "{:?}", tables_with(&app, &texts).await);
    told(&mut app.firehose(Some(0)).await, &alice).await;
    bob.create("com.example.note", "after", &json!({"text": "still here"}))
        .await;
}

#[tokio::test]
async fn nobody_deletes_another_account_with_his_own_password_and_code() {
    let (app, sink) = mailed_codes::start().await;
    let (alice, mallory) = (app.account("alice").await, app.account("mallory").await);
    mailed_codes::request(&mallory, "com.atproto.server.requestAccountDelete")
        .await
        .ok();
    let code = sink.mail(0).await.code().unwrap();
    let delete = async |did: &str, secret: &str| {
        let input = json!({"did": did, "password": secret, "token": code});
        app.api.procedure("com.atproto.server.deleteAccount", &input).await
    };
    let (hers, his) = (password("alice"), password("mallory"));
    delete(alice.did.as_str(), &his)
        .await
        .refused(401, "AuthenticationRequired");
    delete(alice.did.as_str(), &hers).await.refused(400, "InvalidToken");
    alice.session().await.ok();
    delete(mallory.did.as_str(), &his).await.ok();
}
