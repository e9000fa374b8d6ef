//! Watching what this server stands on: its disks, and services that failed when they were called last.

use std::path::PathBuf;
use std::sync::Arc;

use crate::account::count_accounts;
use crate::app::App;
use crate::blob::Probe;
use crate::observe::{Condition, Disk, metrics};
use crate::repo::RepoError;
use crate::store::StoreError;

/// Looks at the disks, and tries again what did not work.
pub(super) async fn watch(app: Arc<App>) {
    watch_disks(&app);
    app.watch_database().await;
    app.update_conditions();
    if app.conditions().holds(Condition::Plc) {
        app.plc().probe().await;
    }
    app.blobs.probe(Probe::Failed).await;
    app.appview.probe().await;
}

fn watch_disks(app: &App) {
    let disks: Vec<Disk> = app
        .directories()
        .iter()
        .filter_map(|directory| Disk::of(directory).ok())
        .collect();
    if let Some(disk) = disks.first() {
        metrics::DISK_FREE_BYTES.set_count([], disk.free_bytes);
        metrics::DISK_SIZE_BYTES.set_count([], disk.size_bytes);
    }
    // Writing is tried only where something points to it: a server at rest leaves its disk at rest.
    let is_doubted = app.found_read_only() || app.conditions().holds(Condition::ReadOnly);
    let takes_no_writes = |directory: &PathBuf| Disk::is_read_only(directory);
    let is_read_only =
        disks.iter().any(|disk| disk.read_only) || is_doubted && app.directories().iter().any(takes_no_writes);
    app.conditions()
        .set(Condition::DiskFull, disks.iter().any(|disk| disk.is_full()));
    app.conditions().set(Condition::ReadOnly, is_read_only);
}

/// Asks services that are asked seldom whether they are there.
pub(super) async fn probe(app: Arc<App>) {
    app.blobs.probe(Probe::Always).await;
}

/// Writes to a bucket of blobs, and looks whether blobs are where they should be.
pub(super) async fn check_blobs(app: Arc<App>) -> Result<(), StoreError> {
    app.blobs.probe(Probe::Write).await;
    app.blobs.look_for_some().await
}

/// Counts what waits to be done.
pub(super) async fn count_waiting(app: Arc<App>) -> Result<(), RepoError> {
    let (new, retrying) = app.mail.count_waiting().await?;
    metrics::MAIL_OUTBOX.set_count(["new"], new);
    metrics::MAIL_OUTBOX.set_count(["retrying"], retrying);
    for (what, number) in [
        ("accounts", app.accounts.count_remains().await?),
        ("blobs", app.blobs.count_unwanted().await?),
        ("repos", app.repos.count_detached().await?),
    ] {
        metrics::JOBS_QUEUED.set_count([what], number);
    }
    Ok(())
}

/// Counts what only the database knows.
pub(super) async fn count(app: Arc<App>) -> Result<(), StoreError> {
    let accounts = count_accounts(&mut *app.read().await?).await?;
    for (status, number) in [
        ("active", accounts.active),
        ("deactivated", accounts.deactivated),
        ("takendown", accounts.taken_down),
    ] {
        metrics::ACCOUNTS.set_count([status], number);
    }
    metrics::ACCOUNTS_PENDING.set_count([], accounts.pending);
    let blobs = app.blobs.total().await?;
    metrics::BLOBS.set_count([], blobs.count);
    metrics::BLOB_BYTES.set_count([], blobs.bytes);
    Ok(())
}
