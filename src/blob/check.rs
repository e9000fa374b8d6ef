//! Whether the place of the blobs works, and holds what the database says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::Row as _;

use super::bucket::BucketStore;
use super::collect::key;
use super::files::BlobFiles;
use super::{BlobSettings, Blobs};
use crate::store::StoreError;

/// Whether a bucket that works is asked, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Yes.
    Always,
    /// Only one that failed.
    Failed,
    /// Yes, and something is written to it.
    Write,
}

impl Blobs {
    /// Asks the bucket whether it answers: always if it did not the last time, otherwise where `when` says so. Writes to a disk that failed.
    pub async fn probe(&self, when: Probe) {
        let bucket = match &self.0.files {
            BlobFiles::Disk(disk) => return disk.try_again().await,
            BlobFiles::Bucket { store, .. } => store,
        };
        if when == Probe::Write || bucket.refuses_writes() {
            // What it means is told by its conditions.
            let _ = bucket.try_out().await;
        } else if when == Probe::Always || bucket.failed() {
            bucket.probe().await;
        }
    }

    /// Looks for some blobs. That none of them is there means that the directory or bucket is not the one they were put into.
    ///
    /// # Errors
    /// If the database or the place of the blobs cannot be read; then nothing is known anew.
    pub async fn look_for_some(&self) -> Result<(), StoreError> {
        let rows = sqlx::query("SELECT did, cid, size FROM blob WHERE state = 'permanent' LIMIT 10")
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        let mut missing = !rows.is_empty();
        for row in rows {
            let (did, cid) = key(&row)?;
            let size = row.try_get::<i64, _>(2)?.unsigned_abs();
            match self.0.files.get(&did, &cid, size, 0, size.min(1)).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    missing = false;
                    break;
                }
                // The condition of the store tells it.
                Err(_) => return Ok(()),
            }
        }
        let were_missing = self.0.missing.swap(missing, Ordering::Relaxed);
        if missing && !were_missing {
            tracing::warn!(
                "the blobs of the database are not where the settings say (PDS_BLOBSTORE_*): is this the right directory or bucket?"
            );
        }
        Ok(())
    }

    /// Whether none of the blobs looked for last was there.
    pub fn are_missing(&self) -> bool {
        self.0.missing.load(Ordering::Relaxed)
    }
}

/// Writes to a bucket, reads it and removes it. A directory needs no trial: the server does not start without it.
///
/// # Errors
/// What the bucket says, or why it cannot be asked.
pub async fn try_out(settings: &BlobSettings) -> io::Result<()> {
    match settings {
        BlobSettings::Disk { .. } => Ok(()),
        BlobSettings::Bucket { bucket, .. } => {
            let bucket = BucketStore::new(bucket, Arc::default()).map_err(io::Error::other)?;
            bucket.try_out().await
        }
    }
}
