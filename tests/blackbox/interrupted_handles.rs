//! A change of a handle that the end of the server cuts short is finished or taken back, whichever the PLC directory says (catalogue F11).

use atproto_repo::Frame;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use tokio::task::JoinHandle;

use crate::harness::Fault;
use crate::{Account, Answer, TestApp};

const UPDATE: &str = "com.atproto.identity.updateHandle";

/// A change that the directory does not answer, in the background.
fn begin(account: &Account, handle: &str) -> JoinHandle<Option<Answer>> {
    let (account, input) = (account.clone(), json!({"handle": handle}));
    tokio::spawn(async move { account.try_call(UPDATE, &input).await.ok() })
}

async fn did_of(app: &TestApp, handle: &str) -> Option<String> {
    let params = [("handle", handle)];
    let answer = app.api.query("com.atproto.identity.resolveHandle", &params).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["did"].as_str().map(str::to_owned)
}

async fn wait_until_taken_by_the_directory(app: &TestApp, account: &Account, handle: &str) {
    while app.plc.last(&account.did)["alsoKnownAs"][0] != format!("at://{handle}") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_that_the_directory_took_before_a_kill_is_announced_afterwards() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    app.plc.fails(Fault::TakeAndStall);
    let change = begin(&alice, "alicia.test");
    wait_until_taken_by_the_directory(&app, &alice, "alicia.test").await;
    app.kill();
    assert!(change.await.unwrap().is_none(), "nobody was told that it went well");
    app.plc.fails(Fault::None);
    app.start_again().await;
    let mut firehose = app.firehose(Some(0)).await;
    loop {
        if let Frame::Identity { handle, .. } = firehose.frame().await
            && handle.is_some_and(|handle| handle.as_str() == "alicia.test")
        {
            break;
        }
    }
    assert_eq!(alice.session().await.ok()["handle"], "alicia.test");
    assert_eq!(did_of(&app, "alicia.test").await.as_deref(), Some(alice.did.as_str()));
}

#[tokio::test]
async fn a_change_that_the_directory_never_saw_is_taken_back_and_nobody_slips_in_between() {
    let mut app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    app.plc.fails(Fault::Stall);
    let change = begin(&alice, "alicia.test");
    while did_of(&app, "alicia.test").await.is_none() {
        tokio::task::yield_now().await;
    }
    app.kill();
    assert!(change.await.unwrap().is_none());
    app.plc.fails(Fault::None);
    app.plc.says_last(Some((500, json!({"message": "out of order"}))));
    app.start_again().await;
    for handle in ["alice.test", "alicia.test"] {
        let slips_in = bob.call(UPDATE, &json!({"handle": handle})).await;
        slips_in.refused(400, "HandleNotAvailable");
    }
    let next = json!({"handle": "alison.test"});
    alice.call(UPDATE, &next).await.refused(502, "UpstreamFailure");
    app.plc.says_last(None);
    app.restart().await;
    while did_of(&app, "alice.test").await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(alice.session().await.ok()["handle"], "alice.test");
    bob.call(UPDATE, &json!({"handle": "alicia.test"})).await.ok();
    alice.call(UPDATE, &next).await.ok();
}

#[tokio::test]
async fn a_stop_waits_for_a_change_whose_client_has_gone_away() {
    // Costs the 10 s that the server waits for the directory.
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    app.plc.fails(Fault::TakeAndStall);
    let change = begin(&alice, "alicia.test");
    wait_until_taken_by_the_directory(&app, &alice, "alicia.test").await;
    change.abort();
    app.stop().await;
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let row = sqlx::query("SELECT handle, (SELECT count(*) FROM held_handle) FROM account");
    let row = row.fetch_one(&mut database).await.unwrap();
    assert_eq!(
        (row.get::<String, _>(0), row.get::<i64, _>(1)),
        ("alicia.test".to_owned(), 0)
    );
    database.close().await.unwrap();
    app.plc.fails(Fault::None);
    app.start_again().await;
}
