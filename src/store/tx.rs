//! The writer's connection as a change of accounts sees it.

use atproto_repo::frame::EventBody;
use sqlx::SqliteConnection;

use super::{Sequence, SequencedEvent, StoreError};

/// The open transaction in which a change runs.
pub struct Tx<'t> {
    pub(super) connection: &'t mut SqliteConnection,
    pub(super) sequence: &'t mut dyn Sequence,
    pub(super) events: &'t mut Vec<SequencedEvent>,
}

impl Tx<'_> {
    /// The connection to run statements on.
    pub fn connection(&mut self) -> &mut SqliteConnection {
        self.connection
    }

    /// Adds an event of an account to the firehose, after all earlier ones. The account's repo row must exist; subscribers hear of it
    /// once the transaction is durable. Returns its seq.
    pub async fn emit(&mut self, account_id: i64, repo_id: i64, event: &EventBody) -> Result<i64, StoreError> {
        let event = self.sequence.place(event);
        sqlx::query(
            "INSERT INTO event (seq, account_id, previous, time, frame) \
             VALUES ($1, $2, (SELECT last_event FROM repo WHERE repo_id = $3), $4, $5)",
        )
        .bind(event.seq)
        .bind(account_id)
        .bind(repo_id)
        .bind(event.time)
        .bind(&event.frame[..])
        .execute(&mut *self.connection)
        .await?;
        sqlx::query("UPDATE repo SET last_event = $1 WHERE repo_id = $2")
            .bind(event.seq)
            .bind(repo_id)
            .execute(&mut *self.connection)
            .await?;
        let seq = event.seq;
        self.events.push(event);
        Ok(seq)
    }
}
