//! Reading blobs and what is known of them.

use std::io;

use atproto_data::{Cid, Did};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use sqlx::Row as _;

use super::Blobs;
use super::rows::{self, BlobRow, State};
use crate::store::StoreError;

/// A blob that may be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its media type.
    pub mime_type: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The bytes of a blob or of a part of it.
pub enum BlobContent {
    /// Few of them.
    Memory(Vec<u8>),
    /// Many, as they come from a file or a bucket.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

/// How far an account that moves in has got (`checkAccountStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobCounts {
    /// Blobs that its records refer to.
    pub expected: i64,
    /// Blobs that it has uploaded.
    pub imported: i64,
}

impl Blobs {
    /// A blob of an account that a record refers to and that is not taken down.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find(&self, did: &Did, cid: &Cid) -> Result<Option<BlobInfo>, StoreError> {
        let row = rows::find(&self.0.store, did, cid).await?;
        Ok(row.and_then(|row| match row {
            BlobRow {
                state: State::Permanent,
                taken_down: false,
                mime_type,
                size,
            } => Some(BlobInfo { mime_type, size }),
            _ => None,
        }))
    }

    /// `length` bytes of a blob from `start` on, which lie within its size. `None` if its file is gone.
    ///
    /// # Errors
    /// If the file cannot be read or is not as long as it should be.
    pub async fn content(
        &self,
        did: &Did,
        cid: &Cid,
        info: &BlobInfo,
        start: u64,
        length: u64,
    ) -> Result<Option<BlobContent>, io::Error> {
        let content = self.0.files.get(did, cid, info.size, start, length).await?;
        if content.is_none() {
            tracing::error!(%did, %cid, "the file of a blob is missing: restore it from a backup");
        }
        Ok(content)
    }

    /// How many blobs an account's records refer to, and how many it has.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn counts(&self, did: &Did, repo_id: i64) -> Result<BlobCounts, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM (SELECT DISTINCT cid FROM blob_ref WHERE repo_id = $1)), \
             (SELECT count(*) FROM blob WHERE did = $2 AND state <> 'deleting')",
        )
        .bind(repo_id)
        .bind(did.as_str())
        .fetch_one(&mut *self.0.store.read().await?)
        .await?;
        Ok(BlobCounts {
            expected: row.try_get(0)?,
            imported: row.try_get(1)?,
        })
    }
}
