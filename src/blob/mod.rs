//! Blobs: upload, the references that records hold, reading, and garbage collection.
//!
//! A blob has a row only once its bytes are durable: 'temporary', or 'permanent' if a record refers to it already. Records turn blobs
//! permanent in the transaction that stores them.
//!
//! Nothing is left behind without a row for long. Of a directory the database knows in which accounts' parts of it a crash may leave files
//! (`migrations/sqlite/0030_blob_uploader.sql`); later runs look through them. A bucket is not looked through: there an upload
//! writes its row as 'deleting' first (`migrations/sqlite/0002_blobs.sql`), which the collector clears with the object.

mod bucket;
mod check;
mod collect;
mod directories;
mod disk;
mod files;
mod listing;
mod references;
mod rows;
mod serve;
mod sniff;
mod spool;
mod strays;
mod takedown;
#[cfg(test)]
mod tests;
mod upload;
mod uploaders;

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
pub use directories::BlobStoreError;
pub use listing::{BlobPage, MissingBlob};
pub use references::{BlobRef, BlobRefError, keep_referenced, release_referenced};
pub use serve::{BlobContent, BlobCounts, BlobInfo};
pub use takedown::release_predecessor;
pub use upload::{Upload, UploadError, UploadedBlob};

pub(crate) use references::reference_changes;

use files::BlobFiles;
use uploaders::Uploaders;

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
    /// Accounts that uploaded lately.
    uploaders: Uploaders,
    /// Whether files that earlier runs left may be there.
    strays: AtomicBool,
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
            uploaders: Uploaders::default(),
            strays: AtomicBool::new(true),
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
