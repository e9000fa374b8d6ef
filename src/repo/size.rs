//! How much records take.

use sqlx::Row as _;

use super::Repos;
use crate::store::{StoreError, Usage};

/// Repos whose records are added up in one query, so that no read lasts long.
const CHUNK: i64 = 500;

impl Repos {
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
