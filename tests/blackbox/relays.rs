//! Relays: asked to crawl this server, and asked what they know of it (catalogue F19).

use std::process::Output;

use serde_json::{Value, json};
use sqlx::Connection as _;

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
    assert!(log.contains("it answered 503"), "{log}");
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

/// Asking costs nothing but a request: it works where the server does not run, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_are_asked_when_the_operator_says_so() {
    let (relay, other) = (TestRelay::start().await, TestRelay::start().await);
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", "")]).await;
    app.set("PDS_CRAWLERS", relay.url());
    let request_crawl = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pds"));
        command
            .args(["relay", "request-crawl"])
            .args(arguments)
            .env_clear()
            .envs(app.settings());
        command.output().unwrap()
    };
    let asked = request_crawl(&[]);
    assert!(asked.status.success(), "{asked:?}");
    assert_eq!((relay.asked(), other.asked().len()), (vec!["pds.test".to_owned()], 0));
    assert!(
        String::from_utf8(asked.stdout)
            .unwrap()
            .starts_with(&format!("{}\tit will", relay.url()))
    );
    other.is(Mood::Answers(400));
    let refused = request_crawl(&["--relay", relay.url(), "--relay", other.url()]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!((relay.asked().len(), other.asked().len()), (2, 1));
    let said = String::from_utf8(refused.stdout).unwrap();
    assert!(said.contains("it refused (400): "), "{said}");
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_what_is_wrong_with_a_relay() {
    let relay = TestRelay::start().await;
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", relay.url())]).await;
    relay.is_asked(1).await;
    app.stop().await;
    for (says, expected) in [
        (None, Some("it does not know this server")),
        (Some(json!({"seq": 0, "status": "active"})), None),
        (Some(json!({"seq": 0, "status": "idle"})), None),
        (Some(json!({})), None),
        (Some(json!({"seq": null, "accountCount": null, "status": "new"})), None),
        (
            Some(json!({"seq": 0, "status": "throttled"})),
            Some("ask for higher limits"),
        ),
        (Some(json!({"status": "banned"})), Some("write to its operators")),
        (Some(json!({"status": "offline"})), Some("it cannot reach this server")),
        (Some(json!({"seq": i64::MAX})), Some("pds relay resync")),
        (Some(json!({"seq": "many"})), Some("its answer is wrong")),
    ] {
        relay.says(says.clone());
        let output = status(&app, &["--json"]);
        assert_eq!(output.status.success(), expected.is_none(), "{says:?} {output:?}");
        let trouble = &json_of(&output)["relays"][0]["trouble"];
        let found = trouble.as_str();
        assert_eq!(found.is_some(), expected.is_some(), "{says:?} {trouble}");
        assert!(
            found.is_none_or(|found| found.contains(expected.unwrap())),
            "{says:?} {trouble}"
        );
        let words = String::from_utf8(status(&app, &[]).stdout).unwrap();
        assert_eq!(words.contains("  trouble\t"), expected.is_some(), "{words}");
    }
    app.set("PDS_CRAWLERS", "http://127.0.0.1:1");
    let away = String::from_utf8(status(&app, &[]).stdout).unwrap();
    assert!(away.contains("cannot be reached"), "{away}");
    assert!(away.contains("asked to crawl\tnever by this server"), "{away}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_how_the_last_request_to_crawl_ended() {
    for (mood, expected) in [
        (Mood::Willing, Value::Null),
        (Mood::Answers(400), json!("it refused (400): as it was told")),
        (
            Mood::Answers(503),
            json!("it cannot be asked at the moment: it answered 503 Service Unavailable"),
        ),
    ] {
        let relay = TestRelay::start().await;
        relay.is(mood);
        relay.says(Some(json!({"status": "active"})));
        let app = TestApp::start_with(&[("PDS_CRAWLERS", relay.url())]).await;
        relay.is_asked(1).await;
        let request = || json_of(&status(&app, &["--json"]))["relays"][0]["crawlRequest"].clone();
        // The answer is noted soon after.
        let request = (0..100).map(|_| request()).find(|request| !request.is_null()).unwrap();
        assert_eq!(request["error"], expected, "{mood:?}");
        assert!(request["askedAt"].as_str().unwrap().ends_with('Z'), "{request}");
        let words = String::from_utf8(status(&app, &[]).stdout).unwrap();
        let said = expected.as_str().unwrap_or("it said yes");
        assert!(words.contains(&format!("Z: {said}\n")), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_a_relay_can_have_no_more_are_told() {
    let relay = TestRelay::start().await;
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", relay.url())]).await;
    app.account("alice").await;
    app.stop().await;
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let (first,): (i64,) = sqlx::query_as("SELECT min(seq) FROM event")
        .fetch_one(&mut database)
        .await
        .unwrap();
    let prune = "UPDATE sequencer SET pruned_to = $1";
    sqlx::query(prune).bind(first).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    for (cursor, is_lost) in [(first - 1, true), (first, false)] {
        relay.says(Some(json!({"status": "active", "seq": cursor})));
        let output = status(&app, &["--json"]);
        assert_eq!(output.status.success(), !is_lost, "{cursor}");
        let trouble = serde_json::from_slice::<Value>(&output.stdout).unwrap()["relays"][0]["trouble"].clone();
        assert_eq!(trouble.to_string().contains("not kept any more"), is_lost, "{trouble}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_warns_and_has_the_words_to_ask_for_more() {
    let relay = TestRelay::start().await;
    relay.says(Some(json!({"status": "active"})));
    let mut app = TestApp::start_with(&[("PDS_CRAWLERS", relay.url())]).await;
    app.account("alice").await;
    app.stop().await;
    // One event a second before those that are there.
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let statement = "WITH RECURSIVE past(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM past WHERE n < 2096)
        INSERT INTO event (seq, account_id, time, frame)
        SELECT seq_high - n * 1000000, 1, seq_high - n * 1000000, x'' FROM past, sequencer";
    sqlx::query(statement).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let warned = json_of(&status(&app, &["--json"]));
    assert_eq!(warned["warning"], true);
    assert_eq!(
        warned["budget"][2],
        json!({"what": "events per hour", "used": 2_100, "limit": 2_600, "percent": 80})
    );
    let second = warned["budget"][1]["used"].as_u64().unwrap();
    let request = format!(
        "Please raise the limits of our PDS at your relay.\n\n\
         Host: pds.test\n\
         Contact: <your e-mail address>\n\
         Software: pds {}\n\n\
         - accounts: 1 now, allowed 100, please allow 100\n\
         - events per second: {second} now, allowed 50, please allow 50\n\
         - events per hour: 2100 now, allowed 2600, please allow 4200\n\
         - events per day: 2100 now, allowed 21000, please allow 21000",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(warned["request"], request);
    let words = String::from_utf8(status(&app, &[]).stdout).unwrap();
    assert!(words.contains("events per hour\t2100 of 2600 (80 %)\n"), "{words}");
    assert!(
        words.contains(&format!(
            "Warning: 80 % or more of a limit is used. Send this to the relay's operators:\n\n{request}\n"
        )),
        "{words}"
    );
}
