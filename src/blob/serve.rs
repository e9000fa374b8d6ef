//! Reading blobs and what is known of them.

use std::io;

use atproto_data::{Cid, Did, Tid};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use sqlx::Row as _;

use super::Blobs;
use super::references::cid_column;
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

/// A blob that a record refers to and that was not uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingBlob {
    /// The blob.
    pub cid: Cid,
    /// `collection/rkey` of one such record.
    pub path: String,
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

    /// The blobs that the records of a repo refer to, uploaded or not, behind a cursor; only of records newer than `since`, if given.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(
        &self,
        repo_id: i64,
        since: Option<Tid>,
        cursor: Option<Cid>,
        limit: u32,
    ) -> Result<Vec<Cid>, StoreError> {
        let query = match since {
            None => sqlx::query(ALL).bind(repo_id),
            Some(rev) => sqlx::query(SINCE)
                .bind(repo_id)
                .bind(i64::try_from(rev.as_u64()).unwrap_or(i64::MAX)),
        };
        let rows = query
            .bind(after(cursor))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter().map(|row| cid_column(row.try_get(0)?)).collect()
    }

    /// The blobs that the records of an account refer to and that were not uploaded, behind a cursor.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn missing(
        &self,
        did: &Did,
        repo_id: i64,
        cursor: Option<Cid>,
        limit: u32,
    ) -> Result<Vec<MissingBlob>, StoreError> {
        let rows = sqlx::query(MISSING)
            .bind(repo_id)
            .bind(did.as_str())
            .bind(after(cursor))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(MissingBlob {
                    cid: cid_column(row.try_get(0)?)?,
                    path: row.try_get(1)?,
                })
            })
            .collect()
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

const ALL: &str = "SELECT DISTINCT cid FROM blob_ref WHERE repo_id = $1 AND cid > $2 ORDER BY cid LIMIT $3";
const SINCE: &str = "SELECT DISTINCT b.cid FROM blob_ref b JOIN record r ON r.repo_id = b.repo_id AND r.path = b.path \
     WHERE b.repo_id = $1 AND r.rev > $2 AND b.cid > $3 ORDER BY b.cid LIMIT $4";
const MISSING: &str = "SELECT r.cid, min(r.path) FROM blob_ref r WHERE r.repo_id = $1 AND r.cid > $3 AND NOT EXISTS (\
     SELECT 1 FROM blob b WHERE b.did = $2 AND b.cid = r.cid AND b.state <> 'deleting') \
     GROUP BY r.cid ORDER BY r.cid LIMIT $4";

/// A cursor as the database compares it; all CIDs are behind none.
fn after(cursor: Option<Cid>) -> Vec<u8> {
    cursor.map_or_else(Vec::new, |cid| cid.as_bytes().to_vec())
}
