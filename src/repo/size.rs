//! How much records take.

use std::ops::ControlFlow;

use atproto_data::Cid;
use sqlx::Row as _;

use super::load::cid_column;
use super::{LoadedRepo, RepoError, Repos};
use crate::store::{StoreError, Usage};

/// Repos whose records are added up in one query, so that no read lasts long.
const CHUNK: i64 = 500;

const RECORD_CIDS: &str = "SELECT cid FROM record WHERE repo_id = $1";

impl Repos {
    /// The blocks of a repo: its commit, the nodes of its tree, and its records, of which equal ones are one block. Looks at each record,
    /// but once per commit as long as the repo is in memory.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count_blocks(&self, repo_id: i64, repo: &LoadedRepo) -> Result<u64, RepoError> {
        let count = || self.count_record_blocks(repo_id);
        let record_blocks = repo.record_blocks.get_or_try_init(count).await?;
        Ok(1 + repo.tree.node_count() + record_blocks)
    }

    async fn count_record_blocks(&self, repo_id: i64) -> Result<u64, RepoError> {
        let place = self.place_for_cold_read().await?;
        let store = self.0.store.clone();
        let counted = tokio::task::spawn_blocking(move || {
            let _held = place;
            let mut digests = Vec::new();
            store.snapshot()?.each(RECORD_CIDS, &[repo_id.into()], |row| {
                digests.push(digest_start(&cid_column(row.bytes(0)?)?));
                Ok::<_, StoreError>(ControlFlow::Continue(()))
            })?;
            digests.sort_unstable();
            digests.dedup();
            Ok(digests.len() as u64)
        });
        counted.await.map_err(|_| RepoError::Aborted)?
    }

    /// The records of an account and their DAG-CBOR. Looks at each of them, so it is for administrators.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn stored_by(&self, repo_id: i64) -> Result<Usage, StoreError> {
        self.records_of_repos(repo_id, repo_id).await
    }

    /// All records, also those of deleted accounts that are still to be removed. Looks at each of them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn total(&self) -> Result<Usage, StoreError> {
        let (mut total, mut next) = (Usage::default(), 0);
        loop {
            let row = sqlx::query(
                "SELECT min(repo_id), max(repo_id) FROM \
                 (SELECT repo_id FROM repo WHERE repo_id >= $1 ORDER BY repo_id LIMIT $2) AS chunk",
            )
            .bind(next)
            .bind(CHUNK)
            .fetch_one(&mut *self.0.store.read().await?)
            .await?;
            let (Some(first), Some(last)) = (row.try_get(0)?, row.try_get::<Option<i64>, _>(1)?) else {
                return Ok(total);
            };
            total += self.records_of_repos(first, last).await?;
            next = last + 1;
        }
    }

    async fn records_of_repos(&self, first: i64, last: i64) -> Result<Usage, StoreError> {
        let row = sqlx::query(
            "SELECT count(*), coalesce(sum(length(content)), 0) FROM record WHERE repo_id >= $1 AND repo_id <= $2",
        )
        .bind(first)
        .bind(last)
        .fetch_one(&mut *self.0.store.read().await?)
        .await?;
        Usage::from_row(&row)
    }
}

/// Tells one record's CID from another's in little memory: the first bytes of its hash.
fn digest_start(cid: &Cid) -> u64 {
    cid.digest().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::repo::testing::{TestRepos, create, delete, put};

    #[tokio::test]
    async fn equal_records_are_one_block() {
        let test = TestRepos::open_tiny().await;
        let repo = test.account('a').await;
        let assert_counted = async || {
            let loaded = test.repos.snapshot(repo.repo_id).await.unwrap();
            let exported = test.export(&repo, None).await.blocks.len() as u64;
            let counted = test.repos.count_blocks(repo.repo_id, &loaded).await.unwrap();
            assert_eq!(counted, exported);
            let again = test.repos.snapshot(repo.repo_id).await.unwrap();
            assert!(again.record_blocks.initialized(), "nobody counts a commit twice");
            counted
        };
        assert_eq!(assert_counted().await, 2);
        let writes = (0..100).map(|n| create(&format!("com.example.a/{n}"), n % 7));
        test.write(&repo, writes.collect()).await.unwrap();
        assert!((8..100).contains(&assert_counted().await));
        let writes = vec![put("com.example.a/1", 8), delete("com.example.a/2")];
        test.write(&repo, writes).await.unwrap();
        assert_counted().await;
    }
}
