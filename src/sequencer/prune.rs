//! Removing old events from the log.

use sqlx::Row as _;

use crate::store::{Store, StoreError};

/// Events removed per transaction, so that writers never wait long.
const CHUNK: i64 = 500;

/// Removes the events whose time is before `before` (µs since 1970), oldest first, up to the first one that is newer. Returns how many.
///
/// # Errors
/// If the database refuses it; what was removed until then stays removed.
pub async fn prune(store: &Store, before: i64) -> Result<u64, StoreError> {
    let mut total = 0;
    loop {
        let removed = store
            .change(move |tx| Box::pin(prune_chunk(tx.connection(), before)))
            .await?;
        total += removed;
        if removed < CHUNK.unsigned_abs() {
            return Ok(total);
        }
    }
}

async fn prune_chunk(connection: &mut sqlx::SqliteConnection, before: i64) -> Result<u64, StoreError> {
    let rows = sqlx::query("SELECT seq, time FROM event ORDER BY seq LIMIT $1")
        .bind(CHUNK)
        .fetch_all(&mut *connection)
        .await?;
    let mut last = None;
    // While the clock was ahead, events were given times to come: one that is older than it says goes with those after it.
    for row in &rows {
        if row.try_get::<i64, _>(1)? < before {
            last = Some(row.try_get::<i64, _>(0)?);
        }
    }
    let Some(last) = last else { return Ok(0) };
    let removed = sqlx::query("DELETE FROM event WHERE seq <= $1")
        .bind(last)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE sequencer SET pruned_to = $1 WHERE sequencer_id = 1 AND pruned_to < $1")
        .bind(last)
        .execute(connection)
        .await?;
    Ok(removed.rows_affected())
}
