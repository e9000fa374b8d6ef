//! Snapshots: reads of many pages of one state of the database, on a thread that may block.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{Found, Parameter, Store, StoreError, look_up, statement};

/// Connections that are kept open for the next snapshots.
const MAX_IDLE: usize = 4;

/// One state of the database, for reading. While it lives, the write-ahead log cannot be moved into the database file.
pub struct Snapshot {
    /// Taken when dropped.
    connection: Option<Connection>,
    idle: Idle,
}

/// Connections that wait for a snapshot; none once the store is closed.
type Idle = Arc<Mutex<Option<Vec<Connection>>>>;

pub(super) struct Snapshots {
    path: PathBuf,
    idle: Idle,
}

impl Snapshots {
    pub(super) fn of(path: &Path) -> Snapshots {
        Snapshots {
            path: path.to_owned(),
            idle: Arc::new(Mutex::new(Some(Vec::new()))),
        }
    }

    fn begin(&self) -> Result<Snapshot, StoreError> {
        let idle = lock(&self.idle).as_mut().ok_or(StoreError::CLOSED)?.pop();
        let connection = match idle {
            Some(connection) => connection,
            None => look_up::open(&self.path)?,
        };
        connection.execute_batch("BEGIN")?;
        Ok(Snapshot {
            connection: Some(connection),
            idle: Arc::clone(&self.idle),
        })
    }

    /// Closes what waits; there are no more snapshots from now on.
    pub(super) fn close(&self) {
        lock(&self.idle).take();
    }
}

impl Store {
    /// A snapshot of the state at its first read. Opening and reading it blocks the thread.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.snapshots.begin()
    }
}

impl Snapshot {
    /// Hands the rows that a statement finds to `read`, one by one, until it has had enough.
    ///
    /// # Errors
    /// If the database cannot be read, or those of `read`.
    pub fn each<E: From<StoreError>>(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        mut read: impl FnMut(&Found<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sqlite = |error: rusqlite::Error| E::from(StoreError::Sqlite(error));
        let connection = self.connection.as_ref().ok_or(StoreError::CLOSED)?;
        let mut statement = statement::prepare(connection, sql, parameters).map_err(sqlite)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(sqlite)? {
            if read(&Found(row))?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// All rows that a statement finds, as `read` takes them.
    ///
    /// # Errors
    /// As [`Snapshot::each`].
    pub fn all<T>(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        mut read: impl FnMut(&Found<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(sql, parameters, |row| {
            found.push(read(row)?);
            Ok::<_, StoreError>(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        // A connection whose transaction does not end is of no more use.
        if connection.execute_batch("ROLLBACK").is_err() {
            return;
        }
        if let Some(idle) = lock(&self.idle).as_mut().filter(|idle| idle.len() < MAX_IDLE) {
            idle.push(connection);
        }
    }
}

fn lock(idle: &Idle) -> MutexGuard<'_, Option<Vec<Connection>>> {
    // Nothing panics while holding it.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::observe::Unwritable;
    use crate::store::Columns as _;
    use crate::store::testing::TestStore;

    fn seq_high(snapshot: &Snapshot) -> i64 {
        snapshot
            .all("SELECT seq_high FROM sequencer", &[], |row| row.column(0))
            .unwrap()[0]
    }

    async fn raise(test: &TestStore) {
        let raised = test.store.change(|tx| {
            Box::pin(async move {
                sqlx::query("UPDATE sequencer SET seq_high = seq_high + 1")
                    .execute(tx.connection())
                    .await?;
                Ok::<_, StoreError>(())
            })
        });
        raised.await.unwrap();
    }

    #[tokio::test]
    async fn a_snapshot_stays_as_it_was_and_the_next_one_is_new() {
        let test = TestStore::open().await;
        let snapshot = test.store.snapshot().unwrap();
        assert_eq!(seq_high(&snapshot), 0);
        raise(&test).await;
        assert_eq!(seq_high(&snapshot), 0);
        drop(snapshot);
        assert_eq!(seq_high(&test.store.snapshot().unwrap()), 1);
        test.store.close().await;
        assert!(matches!(
            test.store.snapshot(),
            Err(StoreError::Unwritable(Unwritable::Closing))
        ));
    }
}
