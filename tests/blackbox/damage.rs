//! A database that somebody has damaged (fault F14).

use std::os::unix::fs::FileExt as _;

use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::metrics::series;
use crate::repo_car::verify_repo;
use crate::{Account, TestApp};

const NOTE: &str = "com.example.note";

/// A server whose alice has lost a record, or has one too many, behind the server's back; bob is as he was.
async fn damaged(statement: &'static str) -> (TestApp, Account, Account) {
    let mut app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    for account in [&alice, &bob] {
        for rkey in ["a", "b", "c"] {
            account.create(NOTE, rkey, &json!({"rkey": rkey})).await;
        }
    }
    app.set("PDS_METRICS_PORT", "0");
    app.stop().await;
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let changed = sqlx::query(statement)
        .bind(alice.did.as_str())
        .execute(&mut database)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    database.close().await.unwrap();
    app.start_again().await;
    app.may_complain();
    (app, alice, bob)
}

/// The tree knows nothing of what is in the records.
#[tokio::test]
async fn a_damaged_record_is_not_passed_on() {
    let statement = "UPDATE record SET content = x'a0' WHERE path LIKE '%/b' AND repo_id = (SELECT repo_id FROM account WHERE did = $1)";
    let (app, alice, bob) = damaged(statement).await;
    let record = |rkey: &'static str| [("did", alice.did.as_str()), ("collection", NOTE), ("rkey", rkey)];
    app.api.query("com.atproto.sync.getRecord", &record("a")).await.bytes();
    assert_eq!(series(&app, "pds_repos_quarantined").await, Some(0.0));
    for method in ["getRepo", "getRecord"] {
        let refusal = app.api.query(&format!("com.atproto.sync.{method}"), &record("b")).await;
        refusal.refused(500, "InternalServerError");
        assert_eq!(series(&app, "pds_repos_quarantined").await, Some(1.0));
    }
    verify_repo(&bob.export().await, &bob.did, &app.plc.signing_key(&bob.did));
    let log = app.process().log().join("\n");
    assert!(
        log.contains("quarantined") && log.contains(alice.did.as_str()),
        "the operator is told"
    );
}

#[tokio::test]
async fn a_damaged_file_stops_writes() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    app.stop().await;
    let path = app.data().join("pds.sqlite");
    let url = format!("sqlite://{}", path.display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let place = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'repo_collection'";
    let place: i64 = sqlx::query_scalar(place).fetch_one(&mut database).await.unwrap();
    database.close().await.unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0x55; 512], place.unsigned_abs()).unwrap();
    app.start_again().await;
    app.may_complain();
    let write = alice.write(NOTE, "a", &json!({}));
    for _ in 0..2 {
        let refusal = alice.call("com.atproto.repo.createRecord", &write).await;
        let message = refusal.refused(503, "NotEnoughResources");
        assert!(message.contains("the database is damaged"), "{message}");
    }
    let ready = app.api.query("../readyz", &[]).await.ok();
    assert_eq!(ready, json!({"status": "degraded", "reasons": ["database_damaged"]}));
    alice.export().await;
}

/// An operator's shell, or a tool that copies the file.
#[tokio::test]
async fn another_program_that_holds_the_database_is_no_internal_error() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    app.may_complain();
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let write = alice.write(NOTE, "a", &json!({}));
    let refusal = alice.call("com.atproto.repo.createRecord", &write).await;
    let message = refusal.refused(503, "NotEnoughResources");
    assert!(
        message.contains("another program") && message.contains("later"),
        "{message}"
    );
    transaction.rollback().await.unwrap();
    alice.create(NOTE, "a", &json!({})).await;
}

#[tokio::test]
async fn a_damaged_repo_is_shut_and_the_others_are_open() {
    for statement in [
        "DELETE FROM record WHERE path LIKE '%/b' AND repo_id = (SELECT repo_id FROM account WHERE did = $1)",
        "UPDATE record SET path = path || 'x' WHERE path LIKE '%/b' AND repo_id = (SELECT repo_id FROM account WHERE did = $1)",
    ] {
        let (app, alice, bob) = damaged(statement).await;
        let (head, events) = (alice.head().await, app.firehose(None).await);
        // Nothing is signed over what nobody can vouch for, and nothing of it is passed on.
        let write = alice.write(NOTE, "d", &json!({"rkey": "d"}));
        let did = [("did", alice.did.as_str()), ("collection", NOTE), ("rkey", "a")];
        let refusals = [
            alice.call("com.atproto.repo.createRecord", &write).await,
            app.api.query("com.atproto.sync.getRepo", &did).await,
            app.api.query("com.atproto.sync.getRecord", &did).await,
        ];
        for refusal in refusals {
            assert!(refusal.status >= 400, "{}", refusal.text());
            let body: Value = serde_json::from_slice(&refusal.body).unwrap();
            assert!(body["error"].is_string() && body["message"].is_string());
        }
        assert_eq!(alice.head().await, head);
        assert_eq!(series(&app, "pds_repos_quarantined").await, Some(1.0));
        let mut events = events;
        let written = bob.create(NOTE, "d", &json!({"rkey": "d"})).await;
        let atproto_repo::Frame::Commit(commit) = events.frame().await else {
            panic!("bob's commit comes next")
        };
        assert_eq!(written["commit"]["cid"], commit.commit.to_string());
        verify_repo(&bob.export().await, &bob.did, &app.plc.signing_key(&bob.did));
        let log = app.process().log().join("\n");
        assert!(
            log.contains("quarantined") && log.contains(alice.did.as_str()),
            "the operator is told"
        );
    }
}
