//! Which records refer to which blobs, and what a commit changes about it.

use std::collections::{BTreeMap, BTreeSet};

use atproto_data::{Cid, Did};
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use crate::store::{BlobChanges, BlobRefRow, Db, StoreError};

/// Values in one query.
const CHUNK: usize = 500;

/// A reference to a blob in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// The blob.
    pub cid: Cid,
    /// What the record says of its media type…
    pub mime_type: String,
    /// …and of its size in bytes.
    pub size: i64,
}

/// Why a record may not refer to a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobRefError {
    /// The account has no such blob, or it was taken down.
    #[error("Could not find blob: {0}")]
    NotFound(Cid),
    /// The record says another media type than the upload was.
    #[error("Referenced Mimetype does not match stored blob. Expected: {stored}, Got: {given}")]
    MimeType {
        /// Of the upload.
        stored: String,
        /// In the record.
        given: String,
    },
    /// The record says another size than the upload was.
    #[error("Referenced Size does not match stored blob. Expected: {stored}, Got: {given}")]
    Size {
        /// Of the upload, in bytes.
        stored: i64,
        /// In the record.
        given: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for BlobRefError {
    fn from(error: sqlx::Error) -> Self {
        BlobRefError::Store(error.into())
    }
}

/// What a commit changes. `replaced` are the paths where records were that it changes or deletes, `records` the records that it stores,
/// with their paths. The caller holds the repo's lock; that the blobs are still there is made sure once more in the transaction.
///
/// # Errors
/// If a record refers to a blob that it may not refer to. As in the reference, media type and size are compared as long as no record refers
/// to the blob yet: repos that moved in are full of blobs whose type another server had guessed otherwise.
pub(crate) async fn reference_changes(
    connection: &mut SqliteConnection,
    did: &Did,
    repo_id: i64,
    replaced: &[&str],
    records: &[(&str, &[BlobRef])],
) -> Result<BlobChanges, BlobRefError> {
    check(connection, did, records).await?;
    let old = references_of(connection, repo_id, replaced).await?;
    let new: BTreeSet<BlobRefRow> = records
        .iter()
        .flat_map(|(path, blobs)| {
            blobs.iter().map(|blob| BlobRefRow {
                path: (*path).to_owned(),
                cid: blob.cid,
            })
        })
        .collect();
    Ok(BlobChanges {
        added: new.difference(&old).cloned().collect(),
        removed: old.difference(&new).cloned().collect(),
    })
}

/// The references of the records at some paths.
async fn references_of(
    connection: &mut SqliteConnection,
    repo_id: i64,
    paths: &[&str],
) -> Result<BTreeSet<BlobRefRow>, StoreError> {
    let mut found = BTreeSet::new();
    for paths in paths.chunks(CHUNK) {
        let mut query = QueryBuilder::<Db>::new("SELECT path, cid FROM blob_ref WHERE repo_id = ");
        query.push_bind(repo_id).push(" AND path IN (");
        let mut list = query.separated(", ");
        for path in paths {
            list.push_bind((*path).to_owned());
        }
        query.push(")");
        for row in query.build().fetch_all(&mut *connection).await? {
            found.insert(BlobRefRow {
                path: row.try_get(0)?,
                cid: cid_column(row.try_get(1)?)?,
            });
        }
    }
    Ok(found)
}

/// A blob that a record may refer to.
struct Referable {
    mime_type: String,
    size: i64,
    is_temporary: bool,
}

async fn check(
    connection: &mut SqliteConnection,
    did: &Did,
    records: &[(&str, &[BlobRef])],
) -> Result<(), BlobRefError> {
    let blobs: Vec<&BlobRef> = records.iter().flat_map(|(_, blobs)| *blobs).collect();
    if blobs.is_empty() {
        return Ok(());
    }
    let stored = referable(connection, did, &blobs).await?;
    for blob in blobs {
        let found = stored.get(&blob.cid).ok_or(BlobRefError::NotFound(blob.cid))?;
        if found.is_temporary && found.mime_type != blob.mime_type {
            return Err(BlobRefError::MimeType {
                stored: found.mime_type.clone(),
                given: blob.mime_type.clone(),
            });
        }
        if found.is_temporary && found.size != blob.size {
            return Err(BlobRefError::Size {
                stored: found.size,
                given: blob.size,
            });
        }
    }
    Ok(())
}

async fn referable(
    connection: &mut SqliteConnection,
    did: &Did,
    blobs: &[&BlobRef],
) -> Result<BTreeMap<Cid, Referable>, StoreError> {
    let mut found = BTreeMap::new();
    for blobs in blobs.chunks(CHUNK) {
        let mut query = QueryBuilder::<Db>::new(
            "SELECT cid, mime_type, size, CASE WHEN state = 'temporary' THEN 1 ELSE 0 END FROM blob \
             WHERE state <> 'deleting' AND takedown_ref IS NULL AND did = ",
        );
        query.push_bind(did.as_str().to_owned()).push(" AND cid IN (");
        let mut list = query.separated(", ");
        for blob in blobs {
            list.push_bind(blob.cid.as_bytes().to_vec());
        }
        query.push(")");
        for row in query.build().fetch_all(&mut *connection).await? {
            let blob = Referable {
                mime_type: row.try_get(1)?,
                size: row.try_get(2)?,
                is_temporary: row.try_get::<i64, _>(3)? != 0,
            };
            found.insert(cid_column(row.try_get(0)?)?, blob);
        }
    }
    Ok(found)
}

/// Before, and in the transaction in which, an account gets another repo (import): up to `limit` uploads that its records refer to become
/// permanent. Says how many.
///
/// # Errors
/// If the database fails.
pub async fn keep_referenced(
    connection: &mut SqliteConnection,
    did: &Did,
    repo_id: i64,
    limit: u64,
) -> Result<u64, StoreError> {
    let kept = sqlx::query(KEEP_REFERENCED)
        .bind(did.as_str())
        .bind(repo_id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    Ok(kept.rows_affected())
}

/// Before the first `limit` references of a repo that an account has no more are removed: of their blobs those to which none of the account's
/// records refers become temporary, so that a wrong import can be put right for some hours. `now` is in µs since 1970.
///
/// # Errors
/// If the database fails.
pub async fn release_referenced(
    connection: &mut SqliteConnection,
    did: &Did,
    repo_id: i64,
    limit: i64,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(RELEASE_REFERENCED)
        .bind(did.as_str())
        .bind(repo_id)
        .bind(limit)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const KEEP_REFERENCED: &str = "UPDATE blob SET state = 'permanent' WHERE did = $1 AND cid IN (SELECT cid FROM (\
     SELECT b.cid FROM blob b WHERE b.state <> 'permanent' AND b.state = 'temporary' AND b.did = $1 \
     AND EXISTS (SELECT 1 FROM blob_ref r WHERE r.repo_id = $2 AND r.cid = b.cid) LIMIT $3) AS chunk)";
pub(super) const RELEASE_REFERENCED: &str = "UPDATE blob SET state = 'temporary', uploaded_at = $4 \
     WHERE did = $1 AND state = 'permanent' AND cid IN (SELECT cid FROM (\
     SELECT cid FROM blob_ref WHERE repo_id = $2 ORDER BY cid, path LIMIT $3) AS chunk) AND NOT EXISTS (\
     SELECT 1 FROM account a JOIN blob_ref r ON r.repo_id = a.repo_id WHERE a.did = $1 AND r.cid = blob.cid)";

pub(super) fn cid_column(bytes: &[u8]) -> Result<Cid, StoreError> {
    Cid::from_bytes(bytes).map_err(|error| StoreError::Damaged(format!("CID of a blob: {error}")))
}
