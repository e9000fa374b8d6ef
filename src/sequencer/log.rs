//! Reading the event log.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use sqlx::{Row as _, SqliteConnection};

use crate::store::{SequencedEvent, StoreError};

/// Bytes of frames after which a page ends: a thousand subscribers may each hold one.
pub(super) const PAGE_BYTES: usize = 512 << 10;

/// How far the log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The last seq ever given out; 0 if there was none.
    pub seq_high: i64,
    /// Seq of the newest event that was pruned; 0 if none was.
    pub pruned_to: i64,
}

/// How far the log reaches.
///
/// # Errors
/// If the database cannot be read.
pub async fn state(connection: &mut SqliteConnection) -> Result<LogState, StoreError> {
    let row = sqlx::query("SELECT seq_high, pruned_to FROM sequencer WHERE sequencer_id = 1")
        .fetch_one(connection)
        .await?;
    Ok(LogState {
        seq_high: row.try_get(0)?,
        pruned_to: row.try_get(1)?,
    })
}

/// How many events there are after a seq; counting stops at `at_most`.
///
/// # Errors
/// If the database cannot be read.
pub async fn events_after(connection: &mut SqliteConnection, seq: i64, at_most: u32) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM (SELECT 1 FROM event WHERE seq > $1 LIMIT $2) AS newer")
        .bind(seq)
        .bind(i64::from(at_most))
        .fetch_one(connection)
        .await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// The events with `after < seq <= up_to`, counted by second since 1970, oldest first; a second without events is left out.
///
/// # Errors
/// If the database cannot be read.
pub async fn events_per_second(
    connection: &mut SqliteConnection,
    after: i64,
    up_to: i64,
) -> Result<Vec<(i64, u64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq / 1000000, count(*) FROM event WHERE seq > $1 AND seq <= $2 GROUP BY seq / 1000000 ORDER BY 1",
    )
    .bind(after)
    .bind(up_to)
    .fetch_all(connection)
    .await?;
    let count = |row: &crate::store::Row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs()));
    rows.iter().map(count).collect()
}

/// Up to `max` events after a cursor, oldest first; fewer if their frames are large.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    cursor: i64,
    max: usize,
) -> Result<Vec<SequencedEvent>, StoreError> {
    let mut rows = sqlx::query("SELECT seq, time, frame FROM event WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(cursor)
        .bind(i64::try_from(max).unwrap_or(i64::MAX))
        .fetch(connection);
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        let frame: &[u8] = row.try_get(2)?;
        bytes += frame.len();
        events.push(SequencedEvent {
            seq: row.try_get(0)?,
            time: row.try_get(1)?,
            frame: Bytes::copy_from_slice(frame),
        });
        if bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok(events)
}
