//! One process per data directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::StoreError;

/// Name of the lock file in the data directory.
const LOCK_FILE: &str = "pds.lock";

/// An exclusive lock on a data directory, released when dropped or when the process dies.
pub(super) struct DirectoryLock(#[expect(dead_code, reason = "holds the operating system's lock")] File);

impl DirectoryLock {
    /// Takes the lock or says who is in the way.
    pub(super) fn acquire(directory: &Path) -> Result<DirectoryLock, StoreError> {
        let path = directory.join(LOCK_FILE);
        let failed = |source| StoreError::Directory {
            path: path.display().to_string(),
            source,
        };
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
                path: directory.display().to_string(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
