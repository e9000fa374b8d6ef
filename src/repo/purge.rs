//! Removing the records of deleted accounts, in pieces so that writers never wait long.

use sqlx::SqliteConnection;

use super::Repos;
use crate::store::StoreError;

/// Rows of each table removed per transaction.
const CHUNK: i64 = 500;

/// What a repo has, up to a number of rows.
const CHUNKS: [&str; 4] = [
    "DELETE FROM record WHERE (repo_id, path) IN (SELECT repo_id, path FROM record WHERE repo_id = $1 LIMIT $2)",
    "DELETE FROM subject_link WHERE (repo_id, link, path) IN \
     (SELECT repo_id, link, path FROM subject_link WHERE repo_id = $1 LIMIT $2)",
    "DELETE FROM blob_ref WHERE (repo_id, cid, path) IN \
     (SELECT repo_id, cid, path FROM blob_ref WHERE repo_id = $1 LIMIT $2)",
    "DELETE FROM repo_collection WHERE (collection, repo_id) IN \
     (SELECT collection, repo_id FROM repo_collection WHERE repo_id = $1 LIMIT $2)",
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

async fn purge_chunk(connection: &mut SqliteConnection, repo_id: i64) -> Result<bool, StoreError> {
    let mut more = false;
    for sql in CHUNKS {
        let removed = sqlx::query(sql)
            .bind(repo_id)
            .bind(CHUNK)
            .execute(&mut *connection)
            .await?;
        more |= removed.rows_affected() == CHUNK.unsigned_abs();
    }
    Ok(more)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::repo::testing::{TestRepos, create};

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
