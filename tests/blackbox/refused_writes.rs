//! Every call that writes is refused, and says why, when the disk takes no writes (catalogue F06, F07): what was acknowledged stays,
//! reads go on.

mod stage;

use serde_json::json;

use crate::harness::{DiskFault, FaultyDisk};
use crate::metrics::{becomes, series};
use crate::{Answer, TestApp};
use stage::{NOTE, Stage};

const STOPPED: &str = "pds_writes_stopped";
const FSYNC_FAILED: &str = "pds_degraded{reason=\"fsync_failed\"}";
const BLOB_STORE: &str = "pds_degraded{reason=\"blob_store\"}";
const READ_ONLY: &str = "pds_degraded{reason=\"read_only\"}";

#[tokio::test]
async fn a_full_disk_refuses_every_write_until_there_is_room() {
    let Some(disk) = FaultyDisk::new() else { return };
    let stage = Stage::set(&disk).await;
    let calls = stage.calls().await;
    disk.begins(DiskFault::Full);
    stage.assert_all_refused(&calls, "the disk is full").await;
    stage.assert_readable().await;
    disk.ends(DiskFault::Full);
    stage.assert_works_again(&calls).await;
}

#[tokio::test]
async fn a_read_only_disk_refuses_every_write_until_it_takes_them_again() {
    let Some(disk) = FaultyDisk::new() else { return };
    let stage = Stage::set(&disk).await;
    let calls = stage.calls().await;
    disk.begins(DiskFault::ReadOnly);
    stage.assert_all_refused(&calls, "the disk is read-only").await;
    stage.assert_readable().await;
    becomes(&stage.app, READ_ONLY, 1.0).await;
    let ready = stage.app.api.query("../readyz", &[]).await.ok();
    assert_eq!(ready, json!({"status": "degraded", "reasons": ["read_only"]}));
    assert_eq!(series(&stage.app, STOPPED).await, Some(1.0));
    disk.ends(DiskFault::ReadOnly);
    stage.assert_works_again(&calls).await;
    becomes(&stage.app, READ_ONLY, 0.0).await;
    assert_eq!(series(&stage.app, STOPPED).await, Some(0.0));
}

#[tokio::test]
async fn a_failed_fsync_stops_every_write_until_a_restart() {
    let Some(disk) = FaultyDisk::new() else { return };
    let mut stage = Stage::set(&disk).await;
    stage.app.may_complain();
    let calls = stage.calls().await;
    disk.begins(DiskFault::Broken);
    let (by, nsid, input) = &calls[0];
    stage.make(*by, nsid, input).await.refused(503, "NotEnoughResources");
    // What the kernel has dropped, no later fsync brings back: that the next one works proves nothing.
    disk.ends(DiskFault::Broken);
    stage.assert_all_refused(&calls, "the disk does not work").await;
    stage.assert_readable().await;
    let ready = stage.app.api.query("../readyz", &[]).await.ok();
    assert_eq!(ready, json!({"status": "degraded", "reasons": ["fsync_failed"]}));
    assert_eq!(series(&stage.app, STOPPED).await, Some(1.0));
    stage.app.kill();
    stage.app.start_again().await;
    stage.assert_readable().await;
    stage.alice.create(NOTE, "after", &json!({"text": "new"})).await;
}

#[tokio::test]
async fn a_disk_that_fails_uploads_and_checkpoints_is_told_until_it_works_again() {
    let Some(disk) = FaultyDisk::new() else { return };
    let mut app = TestApp::start_on(&disk, &[("PDS_METRICS_PORT", "0")]).await;
    app.may_complain();
    let alice = app.account("alice").await;
    let upload = |content: &'static str| {
        let upload = alice.api.post("com.atproto.repo.uploadBlob").bearer_auth(&alice.access);
        Answer::to(upload.header("content-type", "text/plain").body(content))
    };
    // The second time it has a row already: its file is all that is written.
    upload("twice").await.unwrap().ok();
    // Enough for the log to be emptied once nothing is written for a moment: when the disk fails already.
    let large = json!({"text": "x".repeat(900_000)});
    for rkey in ["first", "last"] {
        alice.create(NOTE, rkey, &large).await;
    }
    disk.begins(DiskFault::Broken);
    let refused = upload("twice").await.unwrap();
    refused.refused(503, "NotEnoughResources");
    becomes(&app, BLOB_STORE, 1.0).await;
    becomes(&app, FSYNC_FAILED, 1.0).await;
    assert_eq!(
        series(&app, STOPPED).await,
        Some(0.0),
        "nothing that was acknowledged is in doubt"
    );
    disk.ends(DiskFault::Broken);
    becomes(&app, BLOB_STORE, 0.0).await;
    becomes(&app, FSYNC_FAILED, 0.0).await;
    alice.create(NOTE, "after", &json!({"text": "new"})).await;
    upload("twice").await.unwrap().ok();
}
