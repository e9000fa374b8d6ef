//! What does not work while the rest does: the reasons that `/readyz` gives for `degraded`.

use std::sync::atomic::{AtomicU32, Ordering};

use super::metrics;

/// Something that does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Condition {
    /// The disk is full, or nearly.
    DiskFull,
    /// The file system is read-only.
    ReadOnly,
    /// An fsync of the database failed: of a transaction, then writes are stopped until a restart, or of a checkpoint, which is tried again.
    FsyncFailed,
    /// The database file is damaged: writes are stopped until a restart.
    DatabaseDamaged,
    /// Blobs cannot be read or written.
    BlobStore,
    /// The bucket of blobs refuses writes.
    BlobStoreReadOnly,
    /// Mail cannot be sent.
    Mail,
    /// The PLC directory does not answer.
    Plc,
    /// The AppView does not answer.
    AppView,
    /// Relays do not answer.
    Relay,
    /// The clock was set back: numbers of events and revs are ahead of it, and relays drop what is in the future.
    ClockBehind,
}

impl Condition {
    /// All of them, in the order in which they are told.
    pub const ALL: [Condition; 11] = [
        Condition::DiskFull,
        Condition::ReadOnly,
        Condition::FsyncFailed,
        Condition::DatabaseDamaged,
        Condition::BlobStore,
        Condition::BlobStoreReadOnly,
        Condition::Mail,
        Condition::Plc,
        Condition::AppView,
        Condition::Relay,
        Condition::ClockBehind,
    ];

    /// Its name in `/readyz` and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Condition::DiskFull => "disk_full",
            Condition::ReadOnly => "read_only",
            Condition::FsyncFailed => "fsync_failed",
            Condition::DatabaseDamaged => "database_damaged",
            Condition::BlobStore => "blob_store",
            Condition::BlobStoreReadOnly => "blob_store_read_only",
            Condition::Mail => "mail",
            Condition::Plc => "plc",
            Condition::AppView => "appview",
            Condition::Relay => "relay",
            Condition::ClockBehind => "clock_behind",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Which conditions hold now. Shared by all who find out.
#[derive(Debug, Default)]
pub struct Conditions(AtomicU32);

impl Conditions {
    /// Says that a condition holds; the first time it is logged.
    pub fn begins(&self, condition: Condition) {
        if self.0.fetch_or(condition.bit(), Ordering::Relaxed) & condition.bit() == 0 {
            tracing::warn!(reason = condition.name(), "degraded");
        }
    }

    /// Says that a condition holds no more.
    pub fn ends(&self, condition: Condition) {
        if self.0.fetch_and(!condition.bit(), Ordering::Relaxed) & condition.bit() != 0 {
            tracing::info!(reason = condition.name(), "no longer degraded");
        }
    }

    /// Says whether a condition holds.
    pub fn set(&self, condition: Condition, holds: bool) {
        if holds {
            self.begins(condition);
        } else {
            self.ends(condition);
        }
    }

    /// Whether a condition holds.
    pub fn holds(&self, condition: Condition) -> bool {
        self.0.load(Ordering::Relaxed) & condition.bit() != 0
    }

    /// The names of those that hold.
    pub fn names(&self) -> Vec<&'static str> {
        let holding = Condition::ALL.into_iter().filter(|condition| self.holds(*condition));
        holding.map(Condition::name).collect()
    }

    /// Writes all of them into the metrics.
    pub fn measure(&self) {
        for condition in Condition::ALL {
            metrics::DEGRADED.set_flag([condition.name()], self.holds(condition));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_come_and_go() {
        let conditions = Conditions::default();
        for condition in Condition::ALL {
            conditions.begins(condition);
            conditions.begins(condition);
        }
        assert_eq!(conditions.names(), Condition::ALL.map(Condition::name));
        conditions.ends(Condition::Plc);
        conditions.ends(Condition::Plc);
        assert!(!conditions.holds(Condition::Plc) && conditions.holds(Condition::AppView));
        assert_eq!(conditions.names().len(), Condition::ALL.len() - 1);
    }
}
