//! What commits and imports write about blobs and the records that refer to them.

use std::collections::BTreeSet;

use atproto_data::Cid;
use rusqlite::Transaction;

use super::queue::UploadStage;
use super::statement::execute;
use super::{BlobRefRow, BlobUpload, CommitWrite, Parameter, StoreError};

pub(super) const BLOB_REF_ADDED: &str = "INSERT INTO blob_ref (repo_id, cid, path) VALUES ($1, $2, $3) \
     ON CONFLICT (repo_id, cid, path) DO NOTHING";
pub(super) const BLOB_REF_REMOVED: &str = "DELETE FROM blob_ref WHERE repo_id = $1 AND cid = $2 AND path = $3";
/// Finds nothing where a blob was taken down or is being deleted since the commit was checked.
pub(super) const BLOB_KEPT: &str = "UPDATE blob SET state = 'permanent' WHERE state <> 'deleting' \
     AND takedown_ref IS NULL AND did = (SELECT did FROM account WHERE account_id = $1) AND cid = $2";
pub(super) const BLOB_RELEASED: &str = "UPDATE blob SET state = 'deleting' WHERE state = 'permanent' AND NOT EXISTS (\
     SELECT 1 FROM account a JOIN blob_ref r ON r.repo_id = a.repo_id WHERE a.did = blob.did AND r.cid = blob.cid) \
     AND did = (SELECT did FROM account WHERE account_id = $1) AND cid = $2";

/// The row of a blob whose object is about to be put into a bucket.
pub(super) const BLOB_BEGUN: &str = "INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) \
     VALUES ($1, $2, $3, $4, 'deleting', $5) ON CONFLICT (did, cid) DO NOTHING";
/// The file is in place: permanent if a record of the account refers to it, else temporary from now on. A permanent blob stays as it is.
pub(super) const BLOB_IN_PLACE: &str = "INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) \
     VALUES ($1, $2, $3, $4, CASE WHEN EXISTS (\
     SELECT 1 FROM account a JOIN blob_ref r ON r.repo_id = a.repo_id WHERE a.did = $1 AND r.cid = $2) \
     THEN 'permanent' ELSE 'temporary' END, $5) \
     ON CONFLICT (did, cid) DO UPDATE SET mime_type = excluded.mime_type, uploaded_at = excluded.uploaded_at, \
     state = excluded.state WHERE blob.state <> 'permanent'";

/// Writes how far an upload is.
pub(super) fn put_upload(
    transaction: &Transaction<'_>,
    upload: &BlobUpload,
    stage: UploadStage,
) -> rusqlite::Result<()> {
    let statement = match stage {
        UploadStage::Begun => BLOB_BEGUN,
        UploadStage::InPlace => BLOB_IN_PLACE,
    };
    let (did, mime_type) = (upload.did.as_str().into(), upload.mime_type.as_str().into());
    let (size, at) = (upload.size.into(), upload.at.into());
    execute(
        transaction,
        statement,
        &[did, (&upload.cid).into(), mime_type, size, at],
    )
    .map(drop)
}

/// Writes what a commit changes: mostly nothing.
pub(super) fn put_changes(transaction: &Transaction<'_>, commit: &CommitWrite) -> Result<(), StoreError> {
    let (repo_id, account_id) = (commit.repo_id.into(), commit.account_id.into());
    let blobs = &commit.blobs;
    for BlobRefRow { path, cid } in &blobs.removed {
        execute(transaction, BLOB_REF_REMOVED, &[repo_id, cid.into(), path.into()])?;
    }
    put_references(transaction, repo_id, &blobs.added)?;
    for cid in distinct(&blobs.added) {
        if execute(transaction, BLOB_KEPT, &[account_id, cid.into()])? == 0 {
            return Err(StoreError::BlobGone);
        }
    }
    for cid in distinct(&blobs.removed) {
        execute(transaction, BLOB_RELEASED, &[account_id, cid.into()])?;
    }
    Ok(())
}

/// Writes references of a repo's records.
pub(super) fn put_references(
    transaction: &Transaction<'_>,
    repo_id: Parameter<'_>,
    added: &[BlobRefRow],
) -> rusqlite::Result<()> {
    for BlobRefRow { path, cid } in added {
        execute(transaction, BLOB_REF_ADDED, &[repo_id, cid.into(), path.into()])?;
    }
    Ok(())
}

/// The blobs of some references, each once.
fn distinct(references: &[BlobRefRow]) -> BTreeSet<&Cid> {
    references.iter().map(|row| &row.cid).collect()
}
