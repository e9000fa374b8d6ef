//! Look-ups: reads that touch few pages, made on the caller's thread.
//!
//! A call into a pooled connection is a hop to that connection's thread and back, which costs several times what SQLite needs for such a
//! read (docs/adr/0002-sqlite-without-a-hop.md).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};

use super::{Db, Parameter, Row, Store, StoreError, statement};

/// Memory for the pages of each connection.
const CACHE_KIB: u32 = 2_048;
/// Prepared statements kept per connection.
const STATEMENTS: usize = 32;

/// A value of a column: a 64-bit integer, text, bytes, or one of these or nothing.
pub trait Column: FromSql + for<'r> sqlx::Decode<'r, Db> + sqlx::Type<Db> {}

impl<T: FromSql + for<'r> sqlx::Decode<'r, Db> + sqlx::Type<Db>> Column for T {}

/// The columns of a row, however it was read.
pub trait Columns {
    /// The value of a column, counted from 0.
    ///
    /// # Errors
    /// If there is no such column or it is of another kind.
    fn column<T: Column>(&self, index: usize) -> Result<T, StoreError>;
}

impl Columns for Row {
    fn column<T: Column>(&self, index: usize) -> Result<T, StoreError> {
        Ok(sqlx::Row::try_get(self, index)?)
    }
}

/// A row of a look-up or a snapshot.
pub struct Found<'r>(pub(super) &'r rusqlite::Row<'r>);

impl Columns for Found<'_> {
    fn column<T: Column>(&self, index: usize) -> Result<T, StoreError> {
        Ok(self.0.get(index)?)
    }
}

impl Found<'_> {
    /// The bytes of a column.
    ///
    /// # Errors
    /// If there is no such column or it is of another kind.
    pub fn bytes(&self, index: usize) -> Result<&[u8], StoreError> {
        self.0.get_ref(index)?.as_blob().map_err(|error| damaged(&error))
    }

    /// The text of a column.
    ///
    /// # Errors
    /// If there is no such column or it is of another kind.
    pub fn text(&self, index: usize) -> Result<&str, StoreError> {
        self.0.get_ref(index)?.as_str().map_err(|error| damaged(&error))
    }
}

fn damaged(error: &rusqlite::types::FromSqlError) -> StoreError {
    StoreError::Damaged(error.to_string())
}

impl Store {
    /// The rows that a statement finds, as `read` takes them. For statements that touch few pages: it holds up the caller's thread. It
    /// sees the newest durable state.
    ///
    /// # Errors
    /// If the database cannot be read, or those of `read`.
    pub async fn look_up<T, const N: usize>(
        &self,
        sql: &'static str,
        parameters: [Parameter<'_>; N],
        read: impl FnMut(&Found<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.look_up_until(sql, parameters, read, |_| false).await
    }

    /// As [`Store::look_up`], but no row is read after the first of which `is_last` says so.
    ///
    /// # Errors
    /// As [`Store::look_up`].
    #[expect(clippy::unused_async, reason = "a database that is not in the process is waited for")]
    pub async fn look_up_until<T, const N: usize>(
        &self,
        sql: &'static str,
        parameters: [Parameter<'_>; N],
        mut read: impl FnMut(&Found<'_>) -> Result<T, StoreError>,
        mut is_last: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, StoreError> {
        let connections = self.look_ups.connection();
        let connection = connections.as_ref().ok_or(StoreError::CLOSED)?;
        let mut statement = statement::prepare(connection, sql, &parameters)?;
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let row = read(&Found(row))?;
            let ends = is_last(&row);
            found.push(row);
            if ends {
                break;
            }
        }
        Ok(found)
    }

    /// The one row that a statement finds, if there is one.
    ///
    /// # Errors
    /// As [`Store::look_up`].
    pub async fn look_up_one<T, const N: usize>(
        &self,
        sql: &'static str,
        parameters: [Parameter<'_>; N],
        read: impl FnMut(&Found<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.look_up(sql, parameters, read).await?.pop())
    }
}

/// Connections for look-ups, one per core: more could not read at a time.
pub(super) struct LookUps {
    connections: Vec<Mutex<Option<Connection>>>,
    /// How often all were busy.
    waits: AtomicUsize,
}

impl LookUps {
    /// Opens the connections to an existing database.
    pub(super) fn open(path: &Path) -> Result<LookUps, StoreError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let connections = (0..cores).map(|_| Ok(Mutex::new(Some(open(path)?))));
        Ok(LookUps {
            connections: connections.collect::<Result<_, StoreError>>()?,
            waits: AtomicUsize::new(0),
        })
    }

    /// A free connection, or one as soon as it is free: not the same one for all who wait.
    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        let free = self
            .connections
            .iter()
            .find_map(|connection| connection.try_lock().ok());
        free.unwrap_or_else(|| {
            let next = self.waits.fetch_add(1, Ordering::Relaxed) % self.connections.len();
            lock(&self.connections[next])
        })
    }

    /// Closes the connections; look-ups fail from now on.
    pub(super) fn close(&self) {
        for connection in &self.connections {
            lock(connection).take();
        }
    }
}

fn lock(connection: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    // A panic while reading leaves nothing half done.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a connection that only reads.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(super::open::BUSY_TIMEOUT)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::observe::Unwritable;
    use crate::store::testing::TestStore;

    const SQL: &str = "SELECT seq_high, 'text', x'0102', NULL FROM sequencer WHERE sequencer_id = $1";

    #[tokio::test]
    async fn rows_are_read_as_they_are_now() {
        let test = TestStore::open().await;
        let read = |row: &Found<'_>| {
            assert_eq!((row.text(1)?, row.bytes(2)?), ("text", &[1, 2][..]));
            assert_eq!(row.column::<Option<String>>(3)?, None);
            row.column::<i64>(0)
        };
        assert_eq!(test.store.look_up_one(SQL, [1.into()], read).await.unwrap(), Some(0));
        let raised = test.store.change(|tx| {
            Box::pin(async move {
                sqlx::query("UPDATE sequencer SET seq_high = 7")
                    .execute(tx.connection())
                    .await?;
                Ok::<_, StoreError>(())
            })
        });
        raised.await.unwrap();
        assert_eq!(test.store.look_up_one(SQL, [1.into()], read).await.unwrap(), Some(7));
        assert_eq!(test.store.look_up_one(SQL, [2.into()], read).await.unwrap(), None);
    }

    #[tokio::test]
    async fn nothing_is_written_and_a_closed_store_says_so() {
        let test = TestStore::open().await;
        let write = test
            .store
            .look_up_one("UPDATE sequencer SET seq_high = 1 RETURNING 1", [], |_| Ok(()));
        assert!(matches!(write.await, Err(StoreError::Sqlite(_))));
        let wrong_kind = test.store.look_up_one(SQL, [1.into()], |row| row.column::<Vec<u8>>(1));
        assert!(wrong_kind.await.is_err());
        test.store.close().await;
        let closed = test.store.look_up_one(SQL, [1.into()], |row| row.column::<i64>(0));
        assert!(matches!(closed.await, Err(StoreError::Unwritable(Unwritable::Closing))));
    }
}
