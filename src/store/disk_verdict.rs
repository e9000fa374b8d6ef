//! What the writer has found out about the disk, for those who ask.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StoreError;
use crate::observe::Unwritable;

/// What the disk was found to be.
#[derive(Debug, Default)]
pub(super) struct DiskVerdict {
    stopped: OnceLock<Unwritable>,
    found_full: AtomicBool,
    found_read_only: AtomicBool,
    checkpoint_fails: AtomicBool,
}

impl DiskVerdict {
    /// Once no write is done any more: why.
    pub(super) fn stopped(&self) -> Option<Unwritable> {
        self.stopped.get().copied()
    }

    /// From now on no write is done any more.
    pub(super) fn stop(&self, reason: Unwritable) {
        if self.stopped.set(reason).is_ok() {
            tracing::error!(%reason, "writes are stopped until a restart");
        }
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
