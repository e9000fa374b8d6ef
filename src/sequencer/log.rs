//! Reading the event log.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use sqlx::{Row as _, SqliteConnection};

use crate::store::{SequencedEvent, StoreError};

/// Bytes of frames after which a page ends: a thousand subscribers may each hold one.
const PAGE_BYTES: usize = 512 << 10;

/// How far the log reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The last seq ever given out; 0 if there was none.
    pub seq_high: i64,
    /// Seq of the newest event that was pruned; 0 if none was.
    pub pruned_to: i64,
}

pub(super) async fn state(connection: &mut SqliteConnection) -> Result<LogState, StoreError> {
    let row = sqlx::query("SELECT seq_high, pruned_to FROM sequencer WHERE sequencer_id = 1")
        .fetch_one(connection)
        .await?;
    Ok(LogState {
        seq_high: row.try_get(0)?,
        pruned_to: row.try_get(1)?,
    })
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
