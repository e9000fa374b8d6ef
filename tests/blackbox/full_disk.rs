//! A full disk (catalogue F06): what was acknowledged stays, reads go on, and everything works again once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{http_get, password};
use crate::{Account, Answer, TestApp, metrics};

const STOPPED: &str = "pds_writes_stopped";

/// A file system of its own in memory, small enough to fill; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, said loudly, where the test may not mount one.
    fn mount(at: &Path) -> Option<SmallDisk> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(at)
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(SmallDisk(at.to_owned()));
        }
        println!(
            "NOT RUN: a file system to fill can be mounted by root only; refused_writes.rs has a disk that fails without"
        );
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path("ballast")).unwrap();
        // Piece by piece, down to the last page.
        for size in [1 << 20, 4_096] {
            while std::io::Write::write_all(&mut ballast, &vec![b'x'; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

async fn write(account: &Account, rkey: &str) -> Answer {
    let record = json!({"text": "x".repeat(20_000)});
    account
        .call(
            "com.atproto.repo.createRecord",
            &account.write("com.example.note", rkey, &record),
        )
        .await
}

async fn status(app: &TestApp) -> (u16, Value) {
    let (status, body) = http_get(&format!("http://{}/readyz", app.api.address())).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

async fn becomes(app: &TestApp, expected: &Value) {
    let patience = std::time::Duration::from_secs(40);
    let says_so = async { while status(app).await != (200, expected.clone()) {} };
    let said = tokio::time::timeout(patience, says_so).await;
    assert!(said.is_ok(), "{:?} is not {expected}", status(app).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writes_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path()) else {
        return;
    };
    let data = disk.path("data");
    let blobs = disk.path("data/blobs");
    let mut app = TestApp::start_with(&[
        ("PDS_DATA_DIRECTORY", data.to_str().unwrap()),
        ("PDS_BLOBSTORE_DISK_LOCATION", blobs.to_str().unwrap()),
        ("PDS_METRICS_PORT", "0"),
    ])
    .await;
    let alice = app.account("alice").await;
    let ok = json!({"status": "ok"});
    becomes(&app, &ok).await;
    let mut kept: Vec<String> = Vec::new();
    disk.fill();
    // Nothing has been refused yet: a disk that is nearly full has not stopped anything.
    metrics::becomes(&app, "pds_degraded{reason=\"disk_full\"}", 1.0).await;
    assert_eq!(metrics::series(&app, STOPPED).await, Some(0.0));
    // What is left of the log's file takes some more.
    let message = loop {
        let rkey = format!("r{}", kept.len());
        let answer = write(&alice, &rkey).await;
        if answer.status != 200 {
            break answer.refused(503, "NotEnoughResources");
        }
        kept.push(rkey);
        assert!(kept.len() < 2_000, "the disk is not full");
    };
    assert!(message.contains("try again later"), "{message}");
    becomes(&app, &json!({"status": "degraded", "reasons": ["disk_full"]})).await;
    assert_eq!(metrics::series(&app, STOPPED).await, Some(1.0));
    let upload = alice.api.post("com.atproto.repo.uploadBlob").bearer_auth(&alice.access);
    let upload = upload.header("content-type", "text/plain").body(vec![b'x'; 1 << 20]);
    Answer::to(upload).await.unwrap().refused(503, "NotEnoughResources");

    // A change of an account is another kind of transaction.
    let login = json!({"identifier": "alice.test", "password": password("alice")});
    let refused = app.api.procedure("com.atproto.server.createSession", &login).await;
    refused.refused(503, "NotEnoughResources");

    // Reads go on.
    let page = [("repo", alice.did.as_str()), ("collection", "com.example.note")];
    alice.api.query("com.atproto.repo.listRecords", &page).await.ok();
    alice.export().await;

    disk.make_room();
    becomes(&app, &ok).await;
    assert_eq!(metrics::series(&app, STOPPED).await, Some(0.0));
    let answer = write(&alice, "after").await;
    assert_eq!(answer.status, 200, "{:#?}", app.process().log());
    kept.push("after".to_owned());
    app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    app.restart().await;
    for rkey in &kept {
        let record = [
            ("repo", alice.did.as_str()),
            ("collection", "com.example.note"),
            ("rkey", rkey),
        ];
        alice.api.query("com.atproto.repo.getRecord", &record).await.ok();
    }
    drop(app);
}
