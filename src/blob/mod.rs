//! Blobs: upload, the references that records hold, reading, and garbage collection.
//!
//! The database knows of every file before it exists (`migrations/sqlite/0002_blobs.sql`): an upload writes its row as 'deleting', moves
//! its file into place, then makes the row 'temporary', or 'permanent' if a record refers to the blob already. A crash in between leaves a
//! row that the collector clears with its file. Records turn blobs permanent in the transaction that stores them.

mod collect;
mod disk;
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

use tokio::sync::RwLock;

use crate::clock::Clock;
use crate::store::Store;

pub use disk::BlobStoreError;
pub use references::{BlobRef, BlobRefError, settle_references};
pub use serve::{BlobContent, BlobCounts, BlobInfo, MissingBlob};
pub use takedown::release_account;
pub use upload::{Upload, UploadError, UploadedBlob};

pub(crate) use references::reference_changes;

use disk::DiskStore;

/// Where blobs are kept.
#[derive(Clone, Debug)]
pub struct BlobSettings {
    /// Directory of the blobs; created if missing.
    pub location: PathBuf,
    /// Directory of unfinished uploads, on the same file system; created if missing, leftovers in it are removed.
    pub temporary_location: PathBuf,
}

/// All blobs of this server. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    store: Store,
    disk: Arc<DiskStore>,
    clock: Arc<dyn Clock>,
    /// Uploads that put a file into place share it; the collector, which takes files and rows away, has it alone.
    placing: RwLock<()>,
}

impl Blobs {
    /// Opens the directories.
    ///
    /// # Errors
    /// If they cannot be used; the message names the setting.
    pub fn open(store: Store, settings: &BlobSettings, clock: Arc<dyn Clock>) -> Result<Blobs, BlobStoreError> {
        let disk = Arc::new(DiskStore::open(settings)?);
        Ok(Blobs(Arc::new(Inner {
            store,
            disk,
            clock,
            placing: RwLock::new(()),
        })))
    }
}
