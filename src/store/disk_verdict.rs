//! What the writer has found out about the disk, for those who ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::StoreError;
use crate::observe::Unwritable;

/// What the disk was found to be.
#[derive(Debug, Default)]
pub(super) struct DiskVerdict {
    stopped: Mutex<Option<Unwritable>>,
    found_full: AtomicBool,
    found_read_only: AtomicBool,
    checkpoint_fails: AtomicBool,
}

impl DiskVerdict {
    /// While no write is done: why.
    pub(super) fn stopped(&self) -> Option<Unwritable> {
        *self.lock()
    }

    /// From now on no write is done.
    pub(super) fn stop(&self, reason: Unwritable) {
        let mut stopped = self.lock();
        if stopped.is_none() {
            *stopped = Some(reason);
            tracing::error!(%reason, "writes are stopped");
        }
    }

    /// Says that the database was read and is whole: damage was a passing failure of the disk. What is not known of a failed fsync stays unknown.
    pub(super) fn find_whole(&self) {
        let was_damaged = self.lock().take_if(|reason| *reason == Unwritable::Damaged).is_some();
        if was_damaged {
            tracing::warn!("the database is whole after all, writes go on; the disk may be about to fail");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Unwritable>> {
        // Nothing panics while holding it.
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the last write of records found the disk full.
    pub(super) fn find_full(&self, is_full: bool) {
        self.found_full.store(is_full, Ordering::Relaxed);
    }

    /// Whether the last write of records found the disk full.
    pub(super) fn is_full(&self) -> bool {
        self.found_full.load(Ordering::Relaxed)
    }

    /// Takes note of how a checkpoint ended. What one has not moved into the database is still in the log, so the next one may do it.
    pub(super) fn checkpointed(&self, outcome: Result<(), StoreError>) {
        let fails = matches!(outcome, Err(StoreError::Unwritable(Unwritable::Broken)));
        let failed = self.checkpoint_fails.swap(fails, Ordering::Relaxed);
        if let Err(error) = outcome
            && !failed
        {
            tracing::warn!(%error, "the write-ahead log stays as it is");
        }
    }

    /// Whether the disk failed the last checkpoint.
    pub(super) fn checkpoint_fails(&self) -> bool {
        self.checkpoint_fails.load(Ordering::Relaxed)
    }

    /// Says that a write found the file system read-only.
    pub(super) fn find_read_only(&self) {
        self.found_read_only.store(true, Ordering::Relaxed);
    }

    /// Whether a write has found it read-only since this was asked last.
    pub(super) fn take_read_only(&self) -> bool {
        self.found_read_only.swap(false, Ordering::Relaxed)
    }
}
