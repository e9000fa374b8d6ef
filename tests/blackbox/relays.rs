//! Relays: asked to crawl this server, and asked what they know of it (catalogue F19).

use std::process::Output;

use serde_json::{Value, json};

use crate::TestApp;
use crate::harness::{Mood, TestRelay, seq};

async fn note(account: &crate::Account, rkey: &str) {
    account
        .create("com.example.note", rkey, &json!({"text": "Hello"}))
        .await;
}

#[tokio::test]
async fn a_relay_is_asked_once_it_can_look() {
    let (first, second) = (TestRelay::start().await, TestRelay::start().await);
    let both = format!("{},{}/", first.url(), second.url());
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", &both)]).await;
    assert_eq!(first.is_asked(1).await, ["pds.test"]);
    assert_eq!(second.is_asked(1).await, ["pds.test"]);
    let alice = app.account("alice").await;
    for rkey in ["a", "b", "c"] {
        note(&alice, rkey).await;
    }
    app.restart().await;
    // All requests of the first run are in by now, those of the second are not throttled by it.
    first.is_asked(2).await;
    second.is_asked(2).await;
    assert_eq!(
        (first.asked().len(), second.asked().len()),
        (2, 2),
        "not once per event"
    );
}

#[tokio::test]
async fn a_relay_that_fails_is_asked_again_and_disturbs_nobody() {
    let relay = TestRelay::start().await;
    relay.is(Mood::Answers(503));
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", relay.url())]).await;
    let alice = app.account("alice").await;
    relay.is_asked(1).await;
    relay.is(Mood::Silent);
    relay.is_asked(2).await;
    note(&alice, "a").await;
    // While a request is under way that will never be answered.
    let log = app.stop().await.text();
    assert!(log.contains("cannot be asked to crawl"), "{log}");
}

#[tokio::test]
async fn a_relay_that_refuses_is_left_alone() {
    let relay = TestRelay::start().await;
    relay.is(Mood::Answers(400));
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", relay.url())]).await;
    relay.is_asked(1).await;
    let alice = app.account("alice").await;
    note(&alice, "a").await;
    let log = app.stop().await.text();
    assert_eq!(relay.asked().len(), 1);
    assert!(log.contains("as it was told"), "{log}");
}

#[tokio::test]
async fn crawlers_that_were_forgotten_are_missed_and_an_empty_setting_is_not() {
    let mut app = TestApp::start().await;
    let log = app.stop().await.text();
    assert_eq!(log.matches("PDS_CRAWLERS").count(), 1, "{log}");
    app.set("PDS_CRAWLERS", "");
    app.start_again().await;
    let log = app.stop().await.text();
    assert!(!log.contains("PDS_CRAWLERS"), "{log}");
}

/// `pds relay status` beside the server.
fn status(app: &TestApp, arguments: &[&str]) -> Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_pds"))
        .args(["relay", "status"])
        .args(arguments)
        .env_clear()
        .envs(app.settings())
        .output()
        .unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_counts_events_not_numbers() {
    let relay = TestRelay::start().await;
    let mut app = TestApp::start_with(&[
        ("PDS_CRAWLERS", relay.url()),
        ("PDS_CONTACT_EMAIL_ADDRESS", "admin@pds.test"),
    ])
    .await;
    let mut firehose = app.firehose(None).await;
    let alice = app.account("alice").await;
    for rkey in ["a", "b", "c"] {
        note(&alice, rkey).await;
    }
    // identity, account, commit, sync, then the notes.
    let mut cursor = 0;
    for _ in 0..5 {
        cursor = seq(&firehose.next().await.unwrap());
    }

    let unknown = status(&app, &["--json"]);
    assert!(!unknown.status.success());
    assert_eq!(json_of(&unknown)["relays"][0]["known"], false);

    relay.says(Some(json!({"seq": cursor, "accountCount": 1, "status": "active"})));
    let known = status(&app, &["--json"]);
    assert!(known.status.success(), "{known:?}");
    let known = json_of(&known);
    let of_relay = &known["relays"][0];
    assert_eq!(
        [
            &of_relay["seq"],
            &of_relay["eventsBeyondCursor"],
            &of_relay["accountCount"]
        ],
        [&json!(cursor), &json!(2), &json!(1)]
    );
    assert_eq!(
        known["budget"][0],
        json!({"what": "accounts", "used": 1, "limit": 100, "percent": 1})
    );
    assert_eq!(
        known["budget"][3],
        json!({"what": "events per day", "used": 7, "limit": 21_000, "percent": 0})
    );
    assert_eq!(known["warning"], false);
    let request = known["request"].as_str().unwrap();
    assert!(request.contains("Host: pds.test\nContact: admin@pds.test"), "{request}");

    // The same in words, with the server stopped.
    app.stop().await;
    let words = String::from_utf8(status(&app, &[]).stdout).unwrap();
    assert!(words.contains("events beyond its cursor\t2\n"), "{words}");
    assert!(words.contains("events per hour\t7 of 2600 (0 %)"), "{words}");

    relay.says(Some(json!({"seq": cursor, "status": "throttled"})));
    let throttled = status(&app, &[]);
    assert!(!throttled.status.success());
    assert!(String::from_utf8_lossy(&throttled.stdout).contains("ask for higher limits"));
    relay.says(Some(json!({"seq": i64::MAX})));
    assert!(String::from_utf8_lossy(&status(&app, &[]).stdout).contains("older backup"));
    app.set("PDS_CRAWLERS", "http://127.0.0.1:1");
    assert!(String::from_utf8_lossy(&status(&app, &[]).stdout).contains("cannot be reached"));
}
