//! The rows of a group of writes, stored on the writer's own thread: a hop to a connection's thread for each statement would cost more
//! than the statements (docs/adr/0002-sqlite-without-a-hop.md).

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::queue::Write;
use super::skeleton_rows::put_skeleton;
use super::statement::execute;
use super::{
    CommitWrite, ImportedRows, Parameter, RecordRow, SequencedEvent, StoreError, SubjectLinkRow, blob_rows, open,
};

/// Prepared statements kept: more than there are.
const STATEMENTS: usize = 32;

const EVENT: &str = "INSERT INTO event (seq, account_id, previous, time, frame) \
     VALUES ($1, $2, (SELECT last_event FROM repo WHERE repo_id = $3), $4, $5)";
const HEAD: &str = "INSERT INTO repo (repo_id, commit_cid, rev, commit_data, last_event) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (repo_id) DO UPDATE SET commit_cid = excluded.commit_cid, rev = excluded.rev, \
     commit_data = excluded.commit_data, last_event = coalesce(excluded.last_event, repo.last_event)";
const PUT: &str = "INSERT INTO record (repo_id, path, cid, rev, content) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (repo_id, path) DO UPDATE SET cid = excluded.cid, rev = excluded.rev, content = excluded.content";
const DELETE: &str = "DELETE FROM record WHERE repo_id = $1 AND path = $2";
const COLLECTION_BEGUN: &str = "INSERT INTO repo_collection (collection, repo_id) VALUES ($1, $2) \
     ON CONFLICT (collection, repo_id) DO NOTHING";
const COLLECTION_ENDED: &str = "DELETE FROM repo_collection WHERE collection = $1 AND repo_id = $2";
const SUBJECT_LINK_ADDED: &str = "INSERT INTO subject_link (repo_id, link, path) VALUES ($1, $2, $3) \
     ON CONFLICT (repo_id, link, path) DO NOTHING";
const SUBJECT_LINK_REMOVED: &str = "DELETE FROM subject_link WHERE repo_id = $1 AND link = $2 AND path = $3";
/// Remembers the last seq apart from the log, so that a pruned log cannot make the server forget it.
pub(super) const RAISE_SEQ_HIGH: &str = "UPDATE sequencer SET seq_high = $1 WHERE sequencer_id = 1 AND seq_high < $1";

/// The connection on which groups of writes are stored, beside the one for changes; the writer uses one at a time.
pub(super) struct GroupConnection(Connection);

impl GroupConnection {
    /// Opens an existing database; `checkpoint_pages` as for the other connection of the writer.
    pub(super) fn open(path: &Path, checkpoint_pages: u32) -> Result<GroupConnection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(open::BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", -i64::from(open::WRITER_CACHE_KIB))?;
        connection.pragma_update(None, "wal_autocheckpoint", checkpoint_pages)?;
        connection.pragma_update(None, "journal_size_limit", open::LOG_SIZE_LIMIT_BYTES)?;
        Ok(GroupConnection(connection))
    }

    /// Puts the rows of a group into one transaction, which is durable once it is committed and gone if it is dropped before. Each commit
    /// comes with its event, if it has one.
    pub(super) fn put(&mut self, group: &[(&Write, Option<&SequencedEvent>)]) -> Result<Transaction<'_>, StoreError> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (write, event) in group {
            match write {
                Write::Commit(commit) => put_commit(&transaction, commit, *event)?,
                Write::Import { repo_id, rev, rows } => put_imported(&transaction, *repo_id, *rev, rows)?,
                Write::Skeleton { repo_id, skeleton } => put_skeleton(&transaction, *repo_id, skeleton)?,
                Write::Upload(upload, stage) => blob_rows::put_upload(&transaction, upload, *stage)?,
            }
        }
        if let Some(last) = group.iter().rev().find_map(|(_, event)| *event) {
            execute(&transaction, RAISE_SEQ_HIGH, &[last.seq.into()])?;
        }
        Ok(transaction)
    }

    /// Moves the write-ahead log into the database file and empties it. Whoever still reads in the log is not waited for: then the rest of it
    /// stays for another time.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<()> {
        self.0.busy_timeout(Duration::ZERO)?;
        let done = self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.0.busy_timeout(open::BUSY_TIMEOUT)?;
        done
    }

    /// Closes the connection. As the last one it moves the write-ahead log into the database file.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        self.0.close().map_err(|(_, error)| error)
    }
}

fn put_commit(
    transaction: &Transaction<'_>,
    commit: &CommitWrite,
    event: Option<&SequencedEvent>,
) -> Result<(), StoreError> {
    let (repo_id, rev) = (commit.repo_id.into(), commit.rev.into());
    // The event first: it reads its predecessor from the repo's row.
    if let Some(event) = event {
        let (seq, time, frame) = (event.seq.into(), event.time.into(), event.frame.as_ref().into());
        execute(
            transaction,
            EVENT,
            &[seq, commit.account_id.into(), repo_id, time, frame],
        )?;
    }
    let (cid, seq) = (&commit.commit_cid, event.map(|event| event.seq));
    let block = commit.commit.as_slice().into();
    execute(transaction, HEAD, &[repo_id, cid.into(), rev, block, seq.into()])?;
    for path in &commit.deletes {
        execute(transaction, DELETE, &[repo_id, path.into()])?;
    }
    put_collections(transaction, repo_id, &commit.collections_begun)?;
    for collection in &commit.collections_ended {
        execute(transaction, COLLECTION_ENDED, &[collection.into(), repo_id])?;
    }
    for SubjectLinkRow { link, path } in &commit.subject_links.removed {
        execute(transaction, SUBJECT_LINK_REMOVED, &[repo_id, link.into(), path.into()])?;
    }
    put_subject_links(transaction, repo_id, &commit.subject_links.added)?;
    put_records(transaction, repo_id, rev, &commit.puts)?;
    put_skeleton(transaction, commit.repo_id, &commit.skeleton)?;
    blob_rows::put_changes(transaction, commit)
}

/// Stores rows of a repo that no account refers to yet.
fn put_imported(transaction: &Transaction<'_>, repo_id: i64, rev: i64, rows: &ImportedRows) -> rusqlite::Result<()> {
    let (repo_id, rev) = (repo_id.into(), rev.into());
    put_collections(transaction, repo_id, &rows.collections_begun)?;
    put_subject_links(transaction, repo_id, &rows.subject_links)?;
    blob_rows::put_references(transaction, repo_id, &rows.blob_refs)?;
    put_records(transaction, repo_id, rev, &rows.records)
}

fn put_collections(transaction: &Transaction<'_>, repo_id: Parameter<'_>, begun: &[String]) -> rusqlite::Result<()> {
    for collection in begun {
        execute(transaction, COLLECTION_BEGUN, &[collection.into(), repo_id])?;
    }
    Ok(())
}

fn put_subject_links(
    transaction: &Transaction<'_>,
    repo_id: Parameter<'_>,
    added: &[SubjectLinkRow],
) -> rusqlite::Result<()> {
    for SubjectLinkRow { link, path } in added {
        execute(transaction, SUBJECT_LINK_ADDED, &[repo_id, link.into(), path.into()])?;
    }
    Ok(())
}

fn put_records(
    transaction: &Transaction<'_>,
    repo_id: Parameter<'_>,
    rev: Parameter<'_>,
    records: &[RecordRow],
) -> rusqlite::Result<()> {
    for RecordRow { path, cid, content } in records {
        execute(
            transaction,
            PUT,
            &[repo_id, path.into(), cid.into(), rev, content.as_slice().into()],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::skeleton_rows;
    use crate::store::testing::TestStore;

    const ALL: [&str; 18] = [
        EVENT,
        HEAD,
        PUT,
        DELETE,
        COLLECTION_BEGUN,
        COLLECTION_ENDED,
        SUBJECT_LINK_ADDED,
        SUBJECT_LINK_REMOVED,
        RAISE_SEQ_HIGH,
        blob_rows::BLOB_REF_ADDED,
        blob_rows::BLOB_REF_REMOVED,
        blob_rows::BLOB_KEPT,
        blob_rows::BLOB_RELEASED,
        blob_rows::BLOB_BEGUN,
        blob_rows::BLOB_IN_PLACE,
        skeleton_rows::SKELETON_PUT,
        skeleton_rows::SKELETON_DELETE,
        skeleton_rows::SKELETON_CLEAR,
    ];

    #[tokio::test]
    async fn no_statement_scans_a_table() {
        let test = TestStore::open().await;
        for sql in ALL {
            test.assert_scans_no_table(sql).await;
        }
    }
}
