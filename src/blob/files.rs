//! Where the bytes of blobs are: on disk or in a bucket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atproto_data::{Cid, Did};
use tempfile::NamedTempFile;

use super::bucket::BucketStore;
use super::directories;
use super::disk::DiskStore;
use super::{BlobContent, BlobSettings, BlobStoreError};
use crate::observe::Conditions;

pub(super) enum BlobFiles {
    Disk(Arc<DiskStore>),
    Bucket {
        store: BucketStore,
        /// Uploads are collected on disk: their name is known when they are complete.
        spool: PathBuf,
    },
}

impl BlobFiles {
    pub(super) fn open(settings: &BlobSettings, conditions: Arc<Conditions>) -> Result<BlobFiles, BlobStoreError> {
        match settings {
            BlobSettings::Disk {
                location,
                temporary_location,
            } => Ok(BlobFiles::Disk(Arc::new(DiskStore::open(
                location,
                temporary_location,
                conditions,
            )?))),
            BlobSettings::Bucket { bucket, spool } => {
                directories::prepare_uploads(spool)?;
                Ok(BlobFiles::Bucket {
                    store: BucketStore::new(bucket, conditions)?,
                    spool: spool.clone(),
                })
            }
        }
    }

    /// Where the files of uploads begin.
    pub(super) fn uploads(&self) -> &Path {
        match self {
            BlobFiles::Disk(store) => store.uploads(),
            BlobFiles::Bucket { spool, .. } => spool,
        }
    }

    /// Puts an upload into its place; durable when this returns.
    pub(super) async fn put(&self, did: &Did, cid: &Cid, upload: NamedTempFile) -> io::Result<()> {
        match self {
            BlobFiles::Disk(store) => {
                let put = store.put(did, cid, upload).await;
                store.written(&put);
                put
            }
            BlobFiles::Bucket { store, .. } => store.put(did, cid, &upload.into_temp_path()).await,
        }
    }

    /// A part of a blob, if it is there.
    pub(super) async fn get(
        &self,
        did: &Did,
        cid: &Cid,
        size: u64,
        start: u64,
        length: u64,
    ) -> io::Result<Option<BlobContent>> {
        match self {
            BlobFiles::Disk(store) => store.get(did, cid, size, start, length).await,
            BlobFiles::Bucket { store, .. } => store.get(did, cid, start, length).await,
        }
    }

    /// Removes a blob. That there is none is fine.
    pub(super) async fn delete(&self, did: &Did, cid: &Cid) -> io::Result<()> {
        match self {
            BlobFiles::Disk(store) => store.delete(did, cid).await,
            BlobFiles::Bucket { store, .. } => store.delete(did, cid).await,
        }
    }
}

/// A new file for an upload; removed when dropped.
pub(super) fn new_upload(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(directories::UPLOAD_PREFIX)
        .tempfile_in(directory)
}
