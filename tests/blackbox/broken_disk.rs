//! A disk that fails (catalogue F07).

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{DiskFault, FaultyDisk};
use crate::repo_car::verify_repo;
use crate::{Account, Answer, TestApp, metrics};

const NOTE: &str = "com.example.note";
/// Text of a note: large enough that a few fill what is left.
const TEXT_BYTES: usize = 8_000;
/// Writes after which a disk without room must have refused one.
const MOST_WRITES: usize = 200;
/// What files may grow by before the disk fails.
const GROWTH_BYTES: u64 = 100_000;

fn note(number: usize) -> Value {
    json!({"number": number, "text": "x".repeat(TEXT_BYTES)})
}

async fn write(account: &Account, number: usize) -> Answer {
    let input = account.write(NOTE, &format!("n{number}"), &note(number));
    account.call("com.atproto.repo.createRecord", &input).await
}

/// Writes notes until one is refused; returns how many were acknowledged, and the refusal.
async fn write_until_refused(account: &Account) -> (usize, Answer) {
    for number in 0..MOST_WRITES {
        let answer = write(account, number).await;
        if answer.status != 200 {
            return (number, answer);
        }
    }
    panic!("no write was refused");
}

async fn assert_readable(account: &Account, notes: usize) {
    for number in 0..notes {
        let rkey = format!("n{number}");
        let params = [("repo", account.did.as_str()), ("collection", NOTE), ("rkey", &rkey)];
        let record = account.api.query("com.atproto.repo.getRecord", &params).await.ok();
        assert_eq!(record["value"]["number"], number);
    }
}

fn assert_unavailable(answer: &Answer) {
    assert!(
        [503, 507].contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(
        body["message"]
            .as_str()
            .is_some_and(|message| message.contains("later")),
        "{body}"
    );
}

#[tokio::test]
async fn writes_that_fail_are_refused_and_lose_nothing_that_was_acknowledged() {
    let Some(disk) = FaultyDisk::new() else { return };
    let mut app = TestApp::start_on(&disk, &[]).await;
    app.may_complain();
    let alice = app.account("alice").await;
    for number in 0..5 {
        write(&alice, number).await.ok();
    }
    disk.begins(DiskFault::Unwritable);
    for number in 5..8 {
        assert_unavailable(&write(&alice, number).await);
    }
    assert_readable(&alice, 5).await;
    disk.ends(DiskFault::Unwritable);
    app.kill();
    app.start_again().await;
    assert_readable(&alice, 5).await;
    write(&alice, 8).await.ok();
    let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
    assert_eq!(repo.records.len(), 6, "nothing of what was refused is there");
}

#[tokio::test]
async fn a_disk_that_fails_stops_writes_until_a_restart() {
    let mut app = TestApp::start_with_bounded_files().await;
    app.set("PDS_METRICS_PORT", "0");
    app.restart().await;
    app.may_complain();
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let log = std::fs::metadata(app.data().join("pds.sqlite-wal")).unwrap().len();
    let limit = format!("--fsize={}", log + GROWTH_BYTES);
    let pid = app.process().id().to_string();
    assert!(
        Command::new("prlimit")
            .args(["--pid", &pid, &limit])
            .status()
            .unwrap()
            .success()
    );

    let (acknowledged, refusal) = write_until_refused(&alice).await;
    assert_unavailable(&refusal);
    // Small enough for what is left, but nobody knows what the disk has kept.
    let small = bob.write(NOTE, "small", &json!({}));
    assert_unavailable(&bob.call("com.atproto.repo.createRecord", &small).await);
    assert_readable(&alice, acknowledged).await;
    // Beside the XRPC methods.
    let ready = app.api.query("../readyz", &[]).await.ok();
    assert_eq!(ready, json!({"status": "degraded", "reasons": ["fsync_failed"]}));
    assert_eq!(metrics::series(&app, "pds_writes_stopped").await, Some(1.0));

    app.kill();
    app.start_again().await;
    assert_readable(&alice, acknowledged).await;
    bob.create(NOTE, "small", &json!({})).await;
    verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
}
