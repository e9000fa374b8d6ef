//! The process: its data directory, its settings, its end.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use serde_json::json;
use sqlx::Connection as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::TestApp;
use crate::crash::assert_agreement;
use crate::firehose::StreamVerifier;
use crate::harness::{ADMIN_PASSWORD, Dice, Ended, Process, Writer};

/// Starts a server that must refuse to run; its error must be clear without a backtrace.
pub(crate) async fn refused_start(settings: &BTreeMap<String, String>) -> String {
    let ended: Ended = Process::start(&[], settings)
        .listening()
        .await
        .expect_err("the server refuses to start");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(!ended.text().contains("panicked"), "{}", ended.text());
    ended.text()
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let output = refused_start(app.settings()).await;
    assert!(output.contains("is in use by another pds process"), "{output}");
    alice
        .create("com.example.note", "a", &json!({"text": "the first goes on"}))
        .await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let app = TestApp::start().await;
    let port = app.api.address().rsplit(':').next().unwrap().to_owned();
    for name in ["PDS_PORT", "PDS_METRICS_PORT"] {
        let mut settings = app.settings().clone();
        settings.insert(name.to_owned(), port.clone());
        let output = refused_start(&settings).await;
        assert!(
            output.contains(&format!(":{port} ({name}): Address already in use")),
            "{output}"
        );
    }
}

#[tokio::test]
async fn data_of_the_reference_server_is_not_touched() {
    let mut app = TestApp::start().await;
    app.stop().await;
    for name in ["account.sqlite", "sequencer.sqlite", "actors"] {
        let directory = app.scratch().join(format!("with-{name}"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join(name), b"of the reference server").unwrap();
        let mut settings = app.settings().clone();
        settings.insert("PDS_DATA_DIRECTORY".to_owned(), directory.to_str().unwrap().to_owned());
        let output = refused_start(&settings).await;
        assert!(output.contains(name) && output.contains("reference server"), "{output}");
        let left: Vec<_> = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [name], "nothing was added");
        assert_eq!(std::fs::read(directory.join(name)).unwrap(), b"of the reference server");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let mut app = TestApp::start().await;
    app.stop().await;
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("INSERT INTO schema_migration (version, name) VALUES (999, 'of tomorrow')")
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    let output = refused_start(app.settings()).await;
    assert!(output.contains("999") && output.contains("newer"), "{output}");
}

#[tokio::test]
async fn nobody_else_on_the_machine_reads_the_database() {
    let app = TestApp::start().await;
    app.account("alice").await;
    for name in ["pds.sqlite", "pds.sqlite-wal"] {
        let mode = std::fs::metadata(app.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[tokio::test]
async fn another_sealing_key_is_refused() {
    let mut app = TestApp::start().await;
    app.account("alice").await;
    app.stop().await;
    let mut settings = app.settings().clone();
    settings.insert(
        "PDS_KEY_ENCRYPTION_KEY".to_owned(),
        "00112233445566778899aabbccddeeff".repeat(2),
    );
    let output = refused_start(&settings).await;
    assert!(
        output.contains("PDS_KEY_ENCRYPTION_KEY") || output.contains("key"),
        "{output}"
    );
    app.start_again().await;
}

#[tokio::test]
async fn every_wrong_setting_is_named_at_once() {
    let app = TestApp::start().await;
    let mut settings = app.settings().clone();
    let secret = "not-hex-and-secret";
    for (name, value) in [
        ("PDS_HOSTNAME", "https://pds.test/"),
        ("PDS_PORT", "http"),
        ("PDS_SERVICE_HANDLE_DOMAINS", "test"),
        ("PDS_INVITE_REQUIRED", "perhaps"),
        ("PDS_MAX_SUBSCRIPTION_BUFFER", "0"),
        ("PDS_REPO_BACKFILL_LIMIT_MS", "a day"),
        ("PDS_DID_PLC_URL", "plc.directory"),
        ("PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX", secret),
    ] {
        settings.insert(name.to_owned(), value.to_owned());
    }
    settings.remove("PDS_JWT_SECRET");
    let output = refused_start(&settings).await;
    let wrong = [
        "HOSTNAME",
        "PORT",
        "SERVICE_HANDLE_DOMAINS",
        "INVITE_REQUIRED",
        "MAX_SUBSCRIPTION_BUFFER",
        "JWT_SECRET",
    ];
    for name in wrong.iter().chain(&[
        "REPO_BACKFILL_LIMIT_MS",
        "DID_PLC_URL",
        "PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX",
    ]) {
        assert!(
            output.contains(&format!("PDS_{name}")),
            "PDS_{name} is not named in {output}"
        );
    }
    assert!(!output.contains(secret), "a secret is shown: {output}");
    let output = refused_start(&BTreeMap::new()).await;
    assert!(
        output.contains("PDS_ADMIN_PASSWORD") && output.contains("PDS_JWT_SECRET"),
        "{output}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_under_load_loses_nothing() {
    let mut dice = Dice::from_environment("the_end_under_load_loses_nothing");
    let mut app = TestApp::start().await;
    let accounts = [app.account("alice").await, app.account("bob").await];
    let mut writers: Vec<Writer> = (0..8)
        .map(|index| Writer::new(&accounts[index % 2], format!("w{index}"), dice.split()))
        .collect();
    let mut verifier = StreamVerifier::new(&app.plc);
    for _ in 0..3 {
        let acknowledged = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        for mut writer in writers {
            let acknowledged = Arc::clone(&acknowledged);
            tasks.spawn(async move {
                writer.write_until_the_end(&acknowledged).await;
                writer
            });
        }
        let idle = app.firehose(None).await;
        acknowledged.acquire_many(100).await.unwrap().forget();
        app.stop().await;
        drop(idle);
        writers = tasks.join_all().await;
        app.start_again().await;
        let mut firehose = app.firehose(Some(verifier.cursor)).await;
        for account in &accounts {
            verifier.read_up_to(&mut firehose, account).await;
        }
        for account in &accounts {
            assert_agreement(&app, account, &verifier, &mut writers).await;
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let mut app = TestApp::start_with(&[("LOG_LEVEL", "debug")]).await;
    let alice = app.account("alice").await;
    alice.create("com.example.note", "a", &json!({"text": "x"})).await;
    let login = json!({"identifier": "alice.test", "password": "wrong-password-canary"});
    app.api
        .procedure("com.atproto.server.createSession", &login)
        .await
        .refused(401, "AuthenticationRequired");
    let log = app.stop().await.text();
    let secrets = [
        ADMIN_PASSWORD,
        crate::harness::JWT_SECRET,
        "wrong-password-canary",
        &crate::harness::password("alice"),
        alice.access.rsplit('.').next().unwrap(),
        alice.refresh.rsplit('.').next().unwrap(),
        "alice@mail.example.com",
    ];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
    assert!(log.contains("createRecord"), "requests are logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_further_is_no_failure_of_a_verb() {
    let app = TestApp::start().await;
    app.account("alice").await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_pds"));
    list.args(["account", "list", "--url", &format!("http://{}", app.api.address())])
        .env_clear()
        .env("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .stdout(writer);
    let output = list.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
