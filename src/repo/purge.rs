//! Removing the records of repos that have no account, in pieces so that writers never wait long.

use sqlx::SqliteConnection;

use super::Repos;
use crate::store::StoreError;

/// Rows of a table removed per transaction.
pub(super) const CHUNK: i64 = 500;

/// Any number of records may refer to one blob.
pub(super) const BLOB_REFS: &str = "DELETE FROM blob_ref WHERE repo_id = $1 AND (cid, path) <= (SELECT cid, path FROM \
     (SELECT cid, path FROM blob_ref WHERE repo_id = $1 ORDER BY cid, path LIMIT $2) AS chunk ORDER BY cid DESC, path DESC LIMIT 1)";

/// The tables of which a repo may have many rows; each statement removes the first of them. They name a range of keys, because SQLite
/// scans the whole table for a list of row values.
const CHUNKS: [&str; 5] = [
    "DELETE FROM record WHERE repo_id = $1 AND path <= (SELECT max(path) FROM \
     (SELECT path FROM record WHERE repo_id = $1 ORDER BY path LIMIT $2) AS chunk)",
    "DELETE FROM subject_link WHERE repo_id = $1 AND link <= (SELECT max(link) FROM \
     (SELECT link FROM subject_link WHERE repo_id = $1 ORDER BY link LIMIT $2) AS chunk)",
    BLOB_REFS,
    "DELETE FROM repo_collection WHERE repo_id = $1 AND collection <= (SELECT max(collection) FROM \
     (SELECT collection FROM repo_collection WHERE repo_id = $1 ORDER BY collection LIMIT $2) AS chunk)",
    "DELETE FROM repo_skeleton WHERE repo_id = $1 AND path <= (SELECT max(path) FROM \
     (SELECT path FROM repo_skeleton WHERE repo_id = $1 ORDER BY path LIMIT $2) AS chunk)",
];

impl Repos {
    /// Removes up to 500 records of a repo that has no account any more; says whether any may be left.
    ///
    /// # Errors
    /// If the database fails; what was removed until then stays removed.
    pub async fn purge_some(&self, repo_id: i64) -> Result<bool, StoreError> {
        let purged = self
            .0
            .store
            .change(move |tx| Box::pin(purge_chunk(tx.connection(), repo_id)));
        purged.await
    }
}

/// Removes some of a repo's rows; says whether any may be left.
pub(super) async fn purge_chunk(connection: &mut SqliteConnection, repo_id: i64) -> Result<bool, StoreError> {
    for sql in CHUNKS {
        let removed = sqlx::query(sql)
            .bind(repo_id)
            .bind(CHUNK)
            .execute(&mut *connection)
            .await?;
        if removed.rows_affected() >= CHUNK.unsigned_abs() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::CHUNKS;
    use crate::repo::testing::{TestRepos, create};

    #[tokio::test]
    async fn no_piece_scans_a_table() {
        let test = TestRepos::open().await;
        for sql in CHUNKS {
            test.test.assert_scans_no_table(sql).await;
        }
    }

    #[tokio::test]
    async fn a_repo_goes_in_pieces_and_alone() {
        let test = TestRepos::open().await;
        let (alice, bob) = (test.account('a').await, test.account('b').await);
        for batch in 0..6 {
            let writes = (0..100).map(|index| create(&format!("com.example.a/{batch}-{index}"), 1));
            test.write(&alice, writes.collect()).await.unwrap();
        }
        test.write(&bob, vec![create("com.example.a/1", 1)]).await.unwrap();

        let repo_id = alice.repo_id;
        assert!(test.repos.purge_some(repo_id).await.unwrap());
        assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 101);
        assert!(!test.repos.purge_some(repo_id).await.unwrap());
        assert!(!test.repos.purge_some(repo_id).await.unwrap());
        assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 1);
        assert_eq!(test.test.integer("SELECT count(*) FROM repo_collection").await, 1);
    }
}
