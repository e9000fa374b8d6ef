//! A disk that fails (catalogue F07).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{DiskFault, FaultyDisk, http_get};
use crate::repo_car::verify_repo;
use crate::{Account, Answer, TestApp, metrics};

const NOTE: &str = "com.example.note";
/// Text of a note: large enough that a few fill what is left.
const TEXT_BYTES: usize = 8_000;
/// Writes after which a disk without room must have refused one.
const MOST_WRITES: usize = 200;
/// What files may grow by before the disk fails.
const GROWTH_BYTES: u64 = 100_000;
/// A blob that is read at once.
const BLOB_BYTES: usize = 100_000;

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
async fn reads_that_fail_are_said_to_fail_and_work_again_with_the_disk() {
    let Some(disk) = FaultyDisk::new() else { return };
    let mut app = TestApp::start_on(&disk, &[]).await;
    app.may_complain();
    let alice = app.account("alice").await;
    let upload = app.api.post("com.atproto.repo.uploadBlob").bearer_auth(&alice.access);
    let upload = upload.header("content-type", "text/plain").body(vec![b'x'; BLOB_BYTES]);
    let blob = Answer::to(upload).await.unwrap().ok()["blob"].clone();
    alice.create(NOTE, "n", &json!({"file": blob})).await;
    let did = alice.did.as_str();
    let of_blob = [("did", did), ("cid", blob["ref"]["$link"].as_str().unwrap())];
    let of_record = [("repo", did), ("collection", NOTE), ("rkey", "n")];
    let reads = [
        ("com.atproto.sync.getBlob", &of_blob[..]),
        ("com.atproto.repo.getRecord", &of_record),
        ("com.atproto.sync.getRepo", &[("did", did)]),
    ];
    for (nsid, params) in reads {
        // What has been read of the database is in memory.
        app.restart().await;
        app.may_complain();
        if nsid == "com.atproto.sync.getBlob" {
            app.api.query(nsid, params).await.bytes();
        }
        disk.begins(DiskFault::Unreadable);
        let message = app.api.query(nsid, params).await.refused(503, "NotEnoughResources");
        assert!(message.contains("cannot be read because"), "{nsid}: {message}");
        disk.ends(DiskFault::Unreadable);
        app.api.query(nsid, params).await.bytes();
    }
    alice.create(NOTE, "after", &json!({})).await;
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

async fn readiness(app: &TestApp) -> (u16, Value) {
    let (status, body) = http_get(&format!("http://{}/readyz", app.api.address())).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// A database that cannot be read is the one fault that takes the server out of service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_database_cannot_be_read_is_not_ready_until_it_can() {
    let Some(disk) = FaultyDisk::new() else { return };
    let mut app = TestApp::start_on(&disk, &[("PDS_METRICS_PORT", "0")]).await;
    app.may_complain();
    let alice = app.account("alice").await;
    write(&alice, 0).await.ok();
    assert_eq!(readiness(&app).await, (200, json!({"status": "ok"})));
    disk.begins(DiskFault::Unreadable);
    // What is in memory can be read for as long as nothing changes.
    let mut written = 1;
    let until_noticed = async {
        while readiness(&app).await.0 == 200 {
            written += usize::from(write(&alice, written).await.status == 200);
        }
    };
    let noticed = tokio::time::timeout(Duration::from_mins(1), until_noticed).await;
    assert!(noticed.is_ok(), "nobody noticed");
    assert_eq!(readiness(&app).await, (503, json!({"status": "database unreadable"})));
    assert_eq!(metrics::series(&app, "pds_ready").await, Some(0.0));
    let (alive, _) = http_get(&format!("http://{}/livez", app.api.address())).await.unwrap();
    assert_eq!(alive, 200, "a restart would not help");
    metrics::becomes(
        &app,
        "pds_job_runs_total{name=\"count what waits\",outcome=\"failed\"}",
        1.0,
    )
    .await;
    disk.ends(DiskFault::Unreadable);
    metrics::becomes(&app, "pds_ready", 1.0).await;
    assert_eq!(readiness(&app).await, (200, json!({"status": "ok"})));
    assert_readable(&alice, written).await;
    write(&alice, written).await.ok();
    verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
}

/// A file system that the kernel has given up on, for real; it stays so until it is mounted anew.
struct GivenUpDisk(tempfile::TempDir);

impl GivenUpDisk {
    /// None, said loudly, where the test may not make one.
    fn mount() -> Option<GivenUpDisk> {
        let disk = GivenUpDisk(tempfile::tempdir().unwrap());
        let image = disk.0.path().join("image");
        let make = "truncate --size 64M \"$1\" && mkfs.ext4 -q \"$1\" && mkdir \"$2\" && mount -o loop,errors=remount-ro \"$1\" \"$2\"";
        let made = Command::new("sh")
            .args(["-c", make, "sh"])
            .args([&image, &disk.path()])
            .output();
        if made.is_ok_and(|made| made.status.success()) && disk.switch().is_some_and(|switch| switch.exists()) {
            return Some(disk);
        }
        println!(
            "NOT RUN: a file system to break can be mounted by root only; refused_writes.rs has one that is read-only without"
        );
        None
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("mounted")
    }

    /// The file that makes the kernel find an error.
    fn switch(&self) -> Option<std::path::PathBuf> {
        let found = Command::new("findmnt")
            .args(["-no", "SOURCE"])
            .arg(self.path())
            .output()
            .ok()?;
        let device = String::from_utf8(found.stdout).ok()?;
        let name = Path::new(device.trim()).file_name()?.to_owned();
        Some(Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error"))
    }

    fn gives_up(&self) {
        std::fs::write(self.switch().unwrap(), "1").unwrap();
    }
}

impl Drop for GivenUpDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_when_the_kernel_makes_the_disk_read_only() {
    let Some(disk) = GivenUpDisk::mount() else { return };
    let (data, blobs) = (disk.path().join("data"), disk.path().join("data/blobs"));
    let mut app = TestApp::start_with(&[
        ("PDS_DATA_DIRECTORY", data.to_str().unwrap()),
        ("PDS_BLOBSTORE_DISK_LOCATION", blobs.to_str().unwrap()),
        ("PDS_METRICS_PORT", "0"),
    ])
    .await;
    app.may_complain();
    let alice = app.account("alice").await;
    write(&alice, 0).await.ok();
    disk.gives_up();
    let message = write(&alice, 1).await.refused(503, "NotEnoughResources");
    assert!(message.contains("the disk is read-only"), "{message}");
    metrics::becomes(&app, "pds_degraded{reason=\"read_only\"}", 1.0).await;
    assert_eq!(
        readiness(&app).await,
        (200, json!({"status": "degraded", "reasons": ["read_only"]}))
    );
    assert_readable(&alice, 1).await;
    app.kill();
}
