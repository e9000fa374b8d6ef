//! Removing the events of deleted accounts: all but the last one, which tells of the deletion.

use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::Sequencer;
use crate::store::{Db, StoreError};

/// Events removed per transaction, so that writers never wait long.
const CHUNK: i64 = 500;

/// The events before one of an account, newest first, as far as they are still in the log.
const CHAIN: &str = "WITH RECURSIVE chain (seq, previous) AS (\
     SELECT e.seq, e.previous FROM event e WHERE e.seq = (SELECT l.previous FROM event l WHERE l.seq = $1) \
     UNION ALL SELECT e.seq, e.previous FROM chain c JOIN event e ON e.seq = c.previous) \
     SELECT seq, previous FROM chain LIMIT $2";

impl Sequencer {
    /// Removes up to 500 of the events of an account before its event `last`, from the log and from memory; says whether any are left.
    ///
    /// # Errors
    /// If the database fails; what was removed until then stays removed.
    pub async fn purge_some_before(&self, last: i64) -> Result<bool, StoreError> {
        let purged = self
            .store
            .change(move |tx| Box::pin(purge_chunk(tx.connection(), last)));
        let purged = purged.await?;
        self.live.forget(&purged.seqs);
        Ok(purged.more)
    }
}

/// What was removed, in ascending order, and whether there is more to remove.
struct Purged {
    seqs: Vec<i64>,
    more: bool,
}

async fn purge_chunk(connection: &mut SqliteConnection, last: i64) -> Result<Purged, StoreError> {
    let rows = sqlx::query(CHAIN)
        .bind(last)
        .bind(CHUNK)
        .fetch_all(&mut *connection)
        .await?;
    let Some(oldest) = rows.last() else {
        return Ok(Purged {
            seqs: Vec::new(),
            more: false,
        });
    };
    let rest: Option<i64> = oldest.try_get(1)?;
    let mut seqs = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    let mut delete = QueryBuilder::<Db>::new("DELETE FROM event WHERE seq IN (");
    let mut list = delete.separated(", ");
    for seq in &seqs {
        list.push_bind(*seq);
    }
    delete.push(")");
    delete.build().execute(&mut *connection).await?;
    // The last event now names what is left as the one before it.
    sqlx::query("UPDATE event SET previous = $1 WHERE seq = $2")
        .bind(rest)
        .bind(last)
        .execute(connection)
        .await?;
    seqs.sort_unstable();
    Ok(Purged {
        seqs,
        more: rest.is_some(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::store::testing::TestStore;

    /// Events of two accounts in turn; `accounts` events each. Returns the last of the first account.
    async fn fill(test: &TestStore, events: i64) -> i64 {
        let filled = test.store.change(move |tx| {
            Box::pin(async move {
                for seq in 1..=2 * events {
                    sqlx::query(
                        "INSERT INTO event (seq, account_id, previous, time, frame) VALUES ($1, $2, $3, $1, $4)",
                    )
                    .bind(seq)
                    .bind(seq % 2)
                    .bind((seq > 2).then_some(seq - 2))
                    .bind(&b"frame"[..])
                    .execute(tx.connection())
                    .await?;
                }
                Ok::<_, StoreError>(2 * events - 1)
            })
        });
        filled.await.unwrap()
    }

    async fn purge(test: &TestStore, last: i64) -> bool {
        let purged = test
            .store
            .change(move |tx| Box::pin(purge_chunk(tx.connection(), last)));
        purged.await.unwrap().more
    }

    #[tokio::test]
    async fn an_accounts_events_go_in_pieces_and_alone() {
        let test = TestStore::open().await;
        let last = fill(&test, 700).await;
        assert!(purge(&test, last).await);
        assert_eq!(
            test.integer("SELECT count(*) FROM event WHERE account_id = 1").await,
            200
        );
        assert!(!purge(&test, last).await);
        assert!(!purge(&test, last).await);
        assert_eq!(
            test.integer("SELECT max(seq) FROM event WHERE account_id = 1").await,
            last
        );
        assert_eq!(test.integer("SELECT count(*) FROM event WHERE account_id = 1").await, 1);
        assert_eq!(
            test.integer("SELECT count(*) FROM event WHERE account_id = 0").await,
            700
        );
    }

    #[tokio::test]
    async fn a_chain_that_pruning_cut_ends_there() {
        let test = TestStore::open().await;
        let last = fill(&test, 10).await;
        let cut = test.store.change(|tx| {
            Box::pin(async move {
                sqlx::query("DELETE FROM event WHERE seq <= 10")
                    .execute(tx.connection())
                    .await?;
                Ok::<_, StoreError>(())
            })
        });
        cut.await.unwrap();
        while purge(&test, last).await {}
        assert_eq!(test.integer("SELECT count(*) FROM event WHERE account_id = 1").await, 1);
        assert!(!purge(&test, 4).await, "an event that is gone itself");
    }
}
