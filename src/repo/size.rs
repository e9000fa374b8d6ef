//! How much an account's records take.

use atproto_data::Did;
use sqlx::Row as _;

use super::{RepoError, Repos};

/// Records and blobs of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredSize {
    /// How many records.
    pub records: i64,
    /// Their DAG-CBOR, in bytes.
    pub record_bytes: i64,
    /// How many blobs.
    pub blobs: i64,
    /// Their bytes.
    pub blob_bytes: i64,
}

impl Repos {
    /// What an account stores. It looks at each of its records, so it is for administrators.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn stored_size(&self, repo_id: i64, did: &Did) -> Result<StoredSize, RepoError> {
        let row = sqlx::query(
            "SELECT r.number, r.bytes, b.number, b.bytes FROM \
             (SELECT count(*) AS number, coalesce(sum(length(content)), 0) AS bytes FROM record WHERE repo_id = $1) r, \
             (SELECT count(*) AS number, coalesce(sum(size), 0) AS bytes FROM blob WHERE did = $2 AND state <> 'deleting') b",
        )
        .bind(repo_id)
        .bind(did.as_str())
        .fetch_one(&mut *self.0.store.read().await?)
        .await?;
        Ok(StoredSize {
            records: row.try_get(0)?,
            record_bytes: row.try_get(1)?,
            blobs: row.try_get(2)?,
            blob_bytes: row.try_get(3)?,
        })
    }
}
