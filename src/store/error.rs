//! What can go wrong in the store.

use rusqlite::ffi;

use crate::observe::Unwritable;

/// An error of the database or its data directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement or could not be reached.
    #[error("database error: {0}")]
    Database(#[source] sqlx::Error),
    /// As [`StoreError::Database`], of a connection that is used without a hop.
    #[error("database error: {0}")]
    Sqlite(#[source] rusqlite::Error),
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
    /// There is no room for the copy that is made before existing data is migrated.
    #[error(
        "before the database is brought to the schema of this version it is copied, and there is too little room: {free_mib} MiB are \
         free, {needed_mib} MiB needed. Make the disk larger, or, if you have a copy elsewhere, set PDS_COPY_BEFORE_MIGRATION=false"
    )]
    NoRoomForCopy {
        /// Free on the disk, in MiB.
        free_mib: u64,
        /// What the copy needs, in MiB.
        needed_mib: u64,
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
    /// The disk, another program, or the end of the server keeps the database from its work; nothing of the write is stored.
    #[error("the database does not work: {0}")]
    Unwritable(#[source] Unwritable),
    /// The group transaction of this change was rolled back for another reason; nothing of it is stored.
    #[error("the write was rolled back: {0}")]
    RolledBack(String),
    /// A stored value cannot be what this server wrote.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// The store is closed: the server is shutting down.
    pub const CLOSED: StoreError = StoreError::Unwritable(Unwritable::Closing);
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.and_then(|code| unwritable(code.parse().ok()?)) {
            Some(reason) => StoreError::unwritable(reason, &error),
            None => StoreError::Database(error),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error().and_then(|error| unwritable(error.extended_code)) {
            Some(reason) => StoreError::unwritable(reason, &error),
            None => StoreError::Sqlite(error),
        }
    }
}

impl StoreError {
    /// What the others are told whose changes were in the transaction that this error ended.
    pub(super) fn for_neighbour(&self) -> StoreError {
        match self {
            StoreError::Unwritable(reason) => StoreError::Unwritable(*reason),
            other => StoreError::RolledBack(other.to_string()),
        }
    }

    fn unwritable(reason: Unwritable, cause: &dyn std::error::Error) -> StoreError {
        tracing::warn!(%cause, "the database does not work");
        StoreError::Unwritable(reason)
    }
}

/// What a result code says of the disk and the file on it.
fn unwritable(code: i32) -> Option<Unwritable> {
    match code & 0xff {
        // The log's index did not get its room; the log itself is whole.
        _ if code == ffi::SQLITE_IOERR_SHMSIZE => Some(Unwritable::Full),
        ffi::SQLITE_FULL => Some(Unwritable::Full),
        // In the midst of a statement SQLite says SQLITE_CORRUPT instead.
        _ if [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_CORRUPTFS].contains(&code) => Some(Unwritable::Unreadable),
        ffi::SQLITE_IOERR => Some(Unwritable::Broken),
        ffi::SQLITE_BUSY => Some(Unwritable::Busy),
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Some(Unwritable::Damaged),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_is_wrong_with_the_disk() {
        let state = |code| match StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)) {
            StoreError::Unwritable(reason) => Some(reason),
            _ => None,
        };
        assert_eq!(state(ffi::SQLITE_FULL), Some(Unwritable::Full));
        assert_eq!(state(ffi::SQLITE_IOERR_SHMSIZE), Some(Unwritable::Full));
        assert_eq!(state(ffi::SQLITE_IOERR_FSYNC), Some(Unwritable::Broken));
        assert_eq!(state(ffi::SQLITE_IOERR_WRITE), Some(Unwritable::Broken));
        assert_eq!(state(ffi::SQLITE_IOERR_READ), Some(Unwritable::Unreadable));
        assert_eq!(state(ffi::SQLITE_BUSY), Some(Unwritable::Busy));
        assert_eq!(state(ffi::SQLITE_CORRUPT_INDEX), Some(Unwritable::Damaged));
        assert_eq!(state(ffi::SQLITE_NOTADB), Some(Unwritable::Damaged));
        assert_eq!(state(ffi::SQLITE_CONSTRAINT_FOREIGNKEY), None);
    }
}
