//! A second look at a database that was found damaged: SQLite says the same where the disk did not give a page for a moment.

use rusqlite::InterruptHandle;

use super::{Store, StoreError, look_up, open};
use crate::observe::Unwritable;

/// Reads every page, and compares every index with its table.
const CHECK: &str = "PRAGMA integrity_check(1)";
/// What it says of a database that is whole.
const WHOLE: &str = "ok";

/// Ends a check for which nobody waits any more.
struct InterruptOnDrop(InterruptHandle);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

impl Store {
    /// If writes are stopped because the database was found damaged, reads all of it; writes go on if it is whole. The write that found the
    /// damage was rolled back, so this is more than a restart would look at.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn look_again_at_damage(&self) -> Result<(), StoreError> {
        if self.writes_stopped() != Some(Unwritable::Damaged) {
            return Ok(());
        }
        // A connection that has nothing in memory.
        let connection = look_up::open(&self.data_directory.join(open::DATABASE_FILE))?;
        let _interrupt = InterruptOnDrop(connection.get_interrupt_handle());
        let check = tokio::task::spawn_blocking(move || connection.query_row(CHECK, [], |row| row.get::<_, String>(0)));
        if check.await.map_err(|_| StoreError::CLOSED)?? == WHOLE {
            self.disk_verdict.find_whole();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::store::testing::TestStore;

    async fn write(test: &TestStore) -> Result<(), StoreError> {
        test.store.change(|_| Box::pin(async { Ok(()) })).await
    }

    #[tokio::test]
    async fn writes_go_on_where_the_database_is_whole() {
        let test = TestStore::open().await;
        write(&test).await.unwrap();
        test.store.disk_verdict.stop(Unwritable::Damaged);
        assert!(matches!(
            write(&test).await,
            Err(StoreError::Unwritable(Unwritable::Damaged))
        ));
        test.store.look_again_at_damage().await.unwrap();
        write(&test).await.unwrap();
    }

    #[tokio::test]
    async fn writes_do_not_go_on_after_a_failed_fsync() {
        let test = TestStore::open().await;
        test.store.disk_verdict.stop(Unwritable::Broken);
        test.store.look_again_at_damage().await.unwrap();
        assert!(matches!(
            write(&test).await,
            Err(StoreError::Unwritable(Unwritable::Broken))
        ));
    }

    #[tokio::test]
    async fn writes_do_not_go_on_where_the_database_is_damaged() {
        let test = TestStore::open().await;
        let path = test.file();
        let other = rusqlite::Connection::open(&path).unwrap();
        other
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        let place = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'repo_collection'";
        let place: i64 = other.query_row(place, [], |row| row.get(0)).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0x55; 512], place.unsigned_abs()).unwrap();
        test.store.disk_verdict.stop(Unwritable::Damaged);
        let _ = test.store.look_again_at_damage().await;
        assert_eq!(test.store.writes_stopped(), Some(Unwritable::Damaged));
    }
}
