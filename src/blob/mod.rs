//! Blobs: upload, the references that records hold, reading, and garbage collection.
//!
//! The database knows of every file before it exists (`migrations/sqlite/0002_blobs.sql`): an upload writes its row as 'deleting', moves
//! its file into place, then makes the row 'temporary', or 'permanent' if a record refers to the blob already. A crash in between leaves a
//! row that the collector clears with its file. Records turn blobs permanent in the transaction that stores them.

mod bucket;
mod check;
mod collect;
mod disk;
mod files;
mod listing;
mod references;
mod rows;
mod serve;
mod sniff;
mod spool;
mod takedown;
#[cfg(test)]
mod tests;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use atproto_data::{Cid, Did};
use sqlx::Row as _;

use crate::clock::Clock;
use crate::locks::Locks;
use crate::observe::Conditions;
use crate::quota::Quota;
use crate::store::{Store, StoreError, Usage};

pub use bucket::{BucketAddressing, BucketSettings};
pub use check::{Probe, try_out};
pub use disk::BlobStoreError;
pub use listing::{BlobPage, MissingBlob};
pub use references::{BlobRef, BlobRefError, keep_referenced, release_referenced};
pub use serve::{BlobContent, BlobCounts, BlobInfo};
pub use takedown::release_predecessor;
pub use upload::{Upload, UploadError, UploadedBlob};

pub(crate) use references::reference_changes;

use files::BlobFiles;

/// Where blobs are kept.
#[derive(Clone, Debug)]
pub enum BlobSettings {
    /// On a file system.
    Disk {
        /// Directory of the blobs; created if missing.
        location: PathBuf,
        /// Directory of unfinished uploads, on the same file system; created if missing, leftovers in it are removed.
        temporary_location: PathBuf,
    },
    /// In a bucket.
    Bucket {
        /// Which.
        bucket: BucketSettings,
        /// Directory of unfinished uploads; created if missing, leftovers in it are removed.
        spool: PathBuf,
    },
}

/// A blob of an account.
type Key = (Did, Cid);

/// All blobs of this server. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    store: Store,
    files: BlobFiles,
    clock: Arc<dyn Clock>,
    conditions: Arc<Conditions>,
    /// Whether none of the blobs looked for last was there.
    missing: AtomicBool,
    /// Blobs of which the file and the row may disagree: an upload puts them into place, or the collector takes them away.
    locks: Locks<Key>,
    /// Uploads under way.
    uploads: Quota<Did>,
}

impl Blobs {
    /// Opens the directories. A bucket is not asked anything yet; while it or the disk fails, `conditions` knows.
    ///
    /// # Errors
    /// If they cannot be used; the message names the setting.
    pub fn open(
        store: Store,
        settings: &BlobSettings,
        clock: Arc<dyn Clock>,
        conditions: Arc<Conditions>,
    ) -> Result<Blobs, BlobStoreError> {
        let files = BlobFiles::open(settings, Arc::clone(&conditions))?;
        Ok(Blobs(Arc::new(Inner {
            store,
            files,
            clock,
            conditions,
            missing: AtomicBool::new(false),
            locks: Locks::default(),
            uploads: Quota::new(upload::UPLOADS),
        })))
    }

    /// All blobs.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn total(&self) -> Result<Usage, StoreError> {
        let row = sqlx::query("SELECT count(*), coalesce(sum(size), 0) FROM blob WHERE state <> 'deleting'")
            .fetch_one(&mut *self.0.store.read().await?)
            .await?;
        Usage::from_row(&row)
    }

    /// The blobs of an account.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn stored_by(&self, did: &Did) -> Result<Usage, StoreError> {
        let row =
            sqlx::query("SELECT count(*), coalesce(sum(size), 0) FROM blob WHERE did = $1 AND state <> 'deleting'")
                .bind(did.as_str())
                .fetch_one(&mut *self.0.store.read().await?)
                .await?;
        Usage::from_row(&row)
    }

    /// How many blobs are to be removed.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count_unwanted(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM blob WHERE state = 'deleting' AND state <> 'permanent'")
            .fetch_one(&mut *self.0.store.read().await?)
            .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }
}
