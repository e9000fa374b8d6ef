//! What the metrics say that alerts rest on: numbers that were brought about, not that there is one.

use serde_json::json;
use sqlx::Connection as _;

use crate::harness::{Fault, Mood, TestRelay, password};
use crate::metrics::{becomes, metrics_url, scrape, series};
use crate::{Account, Answer, TestApp};

const NOTE: &str = "com.example.note";

async fn expect(app: &TestApp, expected: &[(&str, f64)]) {
    let (text, now) = scrape(&metrics_url(app)).await;
    for (series, value) in expected {
        assert_eq!(now.get(*series), Some(value), "{series} in\n{text}");
    }
}

async fn upload(account: &Account, bytes: &'static [u8], media_type: &str) -> Answer {
    let request = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access);
    Answer::to(request.header("content-type", media_type).body(bytes))
        .await
        .unwrap()
}

/// What only the database knows is counted at start, and then seldom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_in_the_database_is_what_is_there() {
    let relay = TestRelay::start().await;
    let mut app = TestApp::start_with(&[
        ("PDS_METRICS_PORT", "0"),
        ("PDS_CRAWLERS", relay.url()),
        ("PDS_EMAIL_SMTP_URL", "smtp://127.0.0.1:1"),
        ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
    ])
    .await;
    let accounts = [
        app.account("alice").await,
        app.account("bob").await,
        app.account("carol").await,
    ];
    let [alice, bob, carol] = &accounts;
    for rkey in ["a", "b", "c"] {
        alice.create(NOTE, rkey, &json!({"text": "Hello"})).await;
    }
    let blob = upload(alice, b"twelve bytes", "text/plain").await.ok();
    alice.create(NOTE, "d", &json!({"blob": blob["blob"]})).await;
    bob.call("com.atproto.server.deactivateAccount", &json!({})).await;
    let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": carol.did.as_str()});
    let takedown = json!({"subject": subject, "takedown": {"applied": true, "ref": "1"}});
    app.administer("com.atproto.admin.updateSubjectStatus", &takedown)
        .await
        .ok();
    let dave = app.sign_up("dave").await;
    app.plc.fails(Fault::Refuse(500));
    let answer = app.api.procedure("com.atproto.server.createAccount", &dave).await;
    assert!(answer.status >= 500, "{}", answer.text());
    let ask = alice.api.post("com.atproto.server.requestEmailConfirmation");
    assert_eq!(Answer::to(ask.bearer_auth(&alice.access)).await.unwrap().status, 200);
    becomes(&app, "pds_mail_outbox{state=\"retrying\"}", 1.0).await;
    relay.is_asked(1).await;
    app.restart().await;
    for (series, value) in [
        ("pds_accounts{status=\"active\"}", 1.0),
        ("pds_accounts{status=\"deactivated\"}", 1.0),
        ("pds_accounts{status=\"takendown\"}", 1.0),
        ("pds_accounts_pending", 1.0),
        ("pds_blobs", 1.0),
        ("pds_blob_bytes", 12.0),
        ("pds_mail_outbox{state=\"new\"}", 0.0),
        ("pds_mail_outbox{state=\"retrying\"}", 1.0),
        ("pds_relay_accounts", 3.0),
        // Of each account #identity, #account, #commit and #sync; four commits; one deactivation, one takedown.
        ("pds_relay_events{window=\"hour\"}", 18.0),
        ("pds_relay_events{window=\"day\"}", 18.0),
        (
            "pds_job_runs_total{name=\"count accounts and blobs\",outcome=\"ok\"}",
            1.0,
        ),
    ] {
        becomes(&app, series, value).await;
    }
    app.may_complain();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_do_is_counted() {
    let app = TestApp::start_with(&[
        ("PDS_METRICS_PORT", "0"),
        ("PDS_RATE_LIMITS_ENABLED", "true"),
        ("PDS_BLOB_UPLOAD_LIMIT", "16"),
    ])
    .await;
    let alice = app.account("alice").await;
    for (word, times) in [(password("alice"), 2), ("not hers".to_owned(), 3)] {
        for _ in 0..times {
            let login = json!({"identifier": "alice.test", "password": word});
            app.api.procedure("com.atproto.server.createSession", &login).await;
        }
    }
    upload(&alice, b"small enough", "text/plain").await.ok();
    let long = "text/".to_owned() + &"x".repeat(300);
    let refused = upload(&alice, b"small", &long).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    for rkey in ["a", "b"] {
        alice.create(NOTE, rkey, &json!({"text": "Hello"})).await;
    }
    drop(app.firehose(None).await);
    becomes(&app, "pds_firehose_disconnects_total{reason=\"closed\"}", 1.0).await;
    expect(
        &app,
        &[
            ("pds_logins_total{outcome=\"ok\"}", 2.0),
            ("pds_logins_total{outcome=\"wrong_password\"}", 3.0),
            ("pds_blob_uploads_total{outcome=\"ok\"}", 1.0),
            ("pds_blob_uploads_total{outcome=\"refused\"}", 1.0),
            ("pds_firehose_subscribers", 0.0),
            ("pds_tree_cache_requests_total{result=\"hit\"}", 1.0),
            ("pds_tree_cache_requests_total{result=\"miss\"}", 1.0),
            ("pds_client_addresses_hidden", 0.0),
        ],
    )
    .await;
    let log = std::fs::metadata(app.data().join("pds.sqlite-wal")).unwrap().len();
    #[expect(clippy::cast_precision_loss, reason = "a file is small")]
    expect(&app, &[("pds_database_wal_bytes", log as f64)]).await;
    let limited = async {
        let mut limited = 0.0;
        while limited < 2.0 {
            let reset = json!({"email": "nobody@mail.example.com"});
            let asked = app
                .api
                .procedure("com.atproto.server.requestPasswordReset", &reset)
                .await;
            limited += f64::from(asked.status == 429);
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), limited)
        .await
        .unwrap();
    expect(&app, &[("pds_rate_limited_total{key=\"address\"}", 2.0)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_wait_for_the_disk_are_counted() {
    let mut app = TestApp::start_with(&[("PDS_METRICS_PORT", "0")]).await;
    app.may_complain();
    let alice = app.account("alice").await;
    assert_eq!(series(&app, "pds_write_queue_depth").await, Some(0.0));
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut writes = Vec::new();
    // The writer waits with the first; changes of accounts do not wait for each other before the queue.
    while series(&app, "pds_write_queue_depth").await == Some(0.0) && writes.len() < 20 {
        let api = app.api.clone();
        let login = json!({"identifier": "alice.test", "password": password("alice")});
        writes.push(tokio::spawn(async move {
            api.procedure("com.atproto.server.createSession", &login).await.status
        }));
    }
    assert!(series(&app, "pds_write_queue_depth").await > Some(0.0));
    transaction.rollback().await.unwrap();
    for write in writes {
        assert!([200, 503].contains(&write.await.unwrap()));
    }
    becomes(&app, "pds_write_queue_depth", 0.0).await;
    alice.create(NOTE, "a", &json!({"text": "Hello"})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_refuse_are_counted() {
    let relay = TestRelay::start().await;
    relay.is(Mood::Answers(503));
    let mut app = TestApp::start_with(&[("PDS_METRICS_PORT", "0"), ("PDS_CRAWLERS", relay.url())]).await;
    app.may_complain();
    relay.is_asked(1).await;
    becomes(&app, "pds_relay_crawl_requests_total{outcome=\"failed\"}", 1.0).await;
    relay.is(Mood::Willing);
    becomes(&app, "pds_relay_crawl_requests_total{outcome=\"ok\"}", 1.0).await;
}
