//! What can go wrong in the store.

/// An error of the database or its data directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement or could not be reached.
    #[error("database error: {0}")]
    Database(#[from] sqlx::Error),
    /// As [`StoreError::Database`], of a connection that is used without a hop.
    #[error("database error: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The data directory cannot be used.
    #[error("cannot use data directory {path}: {source}")]
    Directory {
        /// The directory or file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// Another process works on the data directory.
    #[error("data directory {path} is in use by another pds process; stop that one first")]
    Locked {
        /// The directory.
        path: String,
    },
    /// The directory holds data of the reference server and none of ours.
    #[error(
        "data directory {path} holds {found} of the reference server (@atproto/pds) and no pds.sqlite; starting here would serve an empty \
         server under its name. Point PDS_DATA_DIRECTORY at an empty directory, or keep running the reference server on this one"
    )]
    ReferenceDirectory {
        /// The directory.
        path: String,
        /// What was found there.
        found: String,
    },
    /// The database was written by a newer version.
    #[error("the database has schema version {found}, this binary knows up to {known}; start a newer pds")]
    NewerSchema {
        /// Version in the database.
        found: i64,
        /// Newest version that this binary knows.
        known: i64,
    },
    /// The SQLite library is one with a known corruption bug.
    #[error("SQLite {found} is too old, 3.51.3 or newer is needed (older ones can corrupt a write-ahead log)")]
    OldSqlite {
        /// Version of the linked library.
        found: String,
    },
    /// A blob that a record of the commit refers to was removed meanwhile; nothing of the commit is stored.
    #[error("a blob of the record is gone; upload it again")]
    BlobGone,
    /// A write error stopped all writes.
    #[error("writes are stopped after an I/O error; check the disk, then restart")]
    WritesStopped,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The group transaction of this change was rolled back for another reason; nothing of it is stored.
    #[error("the write was rolled back: {0}")]
    RolledBack(String),
    /// A stored value cannot be what this server wrote.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The server is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// SQLite's primary result codes that call for more than passing the error on.
const SQLITE_IOERR: i64 = 10;
const SQLITE_FULL: i64 = 13;

/// What a failed COMMIT says of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskState {
    Fine,
    Full,
    /// After a failed fsync the kernel may have dropped dirty pages: retrying would acknowledge what is not there.
    Broken,
}

pub(super) fn disk_state(error: &StoreError) -> DiskState {
    let code = match error {
        StoreError::Database(error) => error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|c| c.parse::<i64>().ok()),
        StoreError::Sqlite(error) => error.sqlite_error().map(|error| error.extended_code.into()),
        _ => None,
    };
    match code.map(|c| c & 0xff) {
        Some(SQLITE_FULL) => DiskState::Full,
        Some(SQLITE_IOERR) => DiskState::Broken,
        _ => DiskState::Fine,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn codes_say_what_is_wrong_with_the_disk() {
        let state = |code| {
            disk_state(&StoreError::Sqlite(rusqlite::Error::SqliteFailure(
                ffi::Error::new(code),
                None,
            )))
        };
        assert_eq!(state(ffi::SQLITE_FULL), DiskState::Full);
        assert_eq!(state(ffi::SQLITE_IOERR_FSYNC), DiskState::Broken);
        assert_eq!(state(ffi::SQLITE_IOERR_WRITE), DiskState::Broken);
        assert_eq!(state(ffi::SQLITE_CONSTRAINT_FOREIGNKEY), DiskState::Fine);
        assert_eq!(disk_state(&StoreError::BlobGone), DiskState::Fine);
    }
}
