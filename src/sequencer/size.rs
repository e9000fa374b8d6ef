//! How much of the firehose's log is whose.

use sqlx::Row as _;

use super::Sequencer;
use crate::store::{StoreError, Usage};

/// Events that are added up in one query, so that no read lasts long.
const CHUNK: i64 = 10_000;

/// The events of an account, newest first, as far as they are still in the log.
const CHAIN: &str = "WITH RECURSIVE chain (previous, bytes) AS (\
     SELECT e.previous, length(e.frame) FROM event e WHERE e.seq = (SELECT last_event FROM repo WHERE repo_id = $1) \
     UNION ALL SELECT e.previous, length(e.frame) FROM chain c JOIN event e ON e.seq = c.previous) \
     SELECT count(*), coalesce(sum(bytes), 0) FROM chain";

/// The next events after one, and where they end.
const PAGE: &str = "SELECT count(*), coalesce(sum(length(frame)), 0), max(seq) FROM \
     (SELECT seq, frame FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) AS page";

impl Sequencer {
    /// The events of the account that has a repo, as they are sent. Follows the account's own chain of events.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn stored_by(&self, repo_id: i64) -> Result<Usage, StoreError> {
        let row = sqlx::query(CHAIN)
            .bind(repo_id)
            .fetch_one(&mut *self.store.read().await?)
            .await?;
        Usage::from_row(&row)
    }

    /// All events. Looks at each of them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn total(&self) -> Result<Usage, StoreError> {
        let (mut total, mut last) = (Usage::default(), 0_i64);
        loop {
            let row = sqlx::query(PAGE)
                .bind(last)
                .bind(CHUNK)
                .fetch_one(&mut *self.store.read().await?)
                .await?;
            let Some(end) = row.try_get(2)? else { return Ok(total) };
            total += Usage::from_row(&row)?;
            last = end;
        }
    }
}
