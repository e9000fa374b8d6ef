//! What commits and imports write about blobs and the records that refer to them.

use atproto_data::Cid;
use sqlx::SqliteConnection;

use super::bulk::{Bulk, Query};
use super::{BlobChanges, BlobRefRow, CommitWrite, SequencedEvent, StoreError};

pub(super) const BLOB_REFS_ADDED: Bulk = Bulk {
    before: "INSERT INTO blob_ref (repo_id, cid, path) VALUES ",
    row: "(?, ?, ?)",
    after: " ON CONFLICT (repo_id, cid, path) DO NOTHING",
};

pub(super) const BLOB_REFS_REMOVED: Bulk = Bulk {
    before: "DELETE FROM blob_ref WHERE ",
    row: "(repo_id = ? AND cid = ? AND path = ?)",
    after: "",
};

/// Finds nothing where a blob was taken down or is being deleted since the commit was checked.
pub(super) const BLOBS_KEPT: Bulk = Bulk {
    before: "UPDATE blob SET state = 'permanent' WHERE state <> 'deleting' AND takedown_ref IS NULL AND (",
    row: "(did = (SELECT did FROM account WHERE account_id = ?) AND cid = ?)",
    after: ")",
};

pub(super) const BLOBS_RELEASED: Bulk = Bulk {
    before: "UPDATE blob SET state = 'deleting' WHERE state = 'permanent' AND NOT EXISTS (\
             SELECT 1 FROM account a JOIN blob_ref r ON r.repo_id = a.repo_id WHERE a.did = blob.did AND r.cid = blob.cid) \
             AND (",
    row: "(did = (SELECT did FROM account WHERE account_id = ?) AND cid = ?)",
    after: ")",
};

/// Writes what commits change; no statement where nothing does.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    commits: &[(&CommitWrite, Option<&SequencedEvent>)],
) -> Result<(), StoreError> {
    let removed = references(commits, |blobs| &blobs.removed);
    let added = references(commits, |blobs| &blobs.added);
    BLOB_REFS_REMOVED.run(connection, &removed, bind_reference).await?;
    BLOB_REFS_ADDED.run(connection, &added, bind_reference).await?;
    let kept = blobs(commits, |blobs| &blobs.added);
    if BLOBS_KEPT.run(connection, &kept, bind_blob).await? != kept.len() as u64 {
        return Err(StoreError::BlobGone);
    }
    let released = blobs(commits, |blobs| &blobs.removed);
    BLOBS_RELEASED.run(connection, &released, bind_blob).await?;
    Ok(())
}

/// Writes the references of a repo that no account refers to yet.
pub(super) async fn write_imported(
    connection: &mut SqliteConnection,
    repo_id: i64,
    rows: &[BlobRefRow],
) -> Result<(), StoreError> {
    let rows: Vec<_> = rows.iter().map(|row| (repo_id, row)).collect();
    BLOB_REFS_ADDED.run(connection, &rows, bind_reference).await?;
    Ok(())
}

/// The references that each commit names, with its repo; mostly none.
fn references<'c>(
    commits: &[(&'c CommitWrite, Option<&SequencedEvent>)],
    named: impl Fn(&'c BlobChanges) -> &'c [BlobRefRow],
) -> Vec<(i64, &'c BlobRefRow)> {
    commits
        .iter()
        .flat_map(|(commit, _)| named(&commit.blobs).iter().map(|row| (commit.repo_id, row)))
        .collect()
}

fn bind_reference(query: Query, (repo_id, row): &(i64, &BlobRefRow)) -> Query {
    query
        .bind(*repo_id)
        .bind(row.cid.as_bytes().to_vec())
        .bind(row.path.clone())
}

/// The blobs of these references, each once, and whose they are.
fn blobs<'c>(
    commits: &[(&'c CommitWrite, Option<&SequencedEvent>)],
    named: impl Fn(&'c BlobChanges) -> &'c [BlobRefRow],
) -> Vec<(i64, Cid)> {
    let mut blobs: Vec<_> = commits
        .iter()
        .flat_map(|(commit, _)| named(&commit.blobs).iter().map(|row| (commit.account_id, row.cid)))
        .collect();
    blobs.sort_unstable();
    blobs.dedup();
    blobs
}

fn bind_blob(query: Query, (account_id, cid): &(i64, Cid)) -> Query {
    query.bind(*account_id).bind(cid.as_bytes().to_vec())
}
