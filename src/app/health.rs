//! How the server is doing: for its probes, its metrics and the jobs that watch it.

use std::sync::atomic::Ordering;

use super::App;
use crate::crawl::Relay;
use crate::observe::{Condition, Unwritable, metrics};
use crate::server::health::{self, Health, Phase};

impl App {
    /// How the server is doing, from what is known already.
    pub(crate) fn health(&self) -> Health {
        let phase = if self.stop.is_cancelled() {
            Phase::Draining
        } else {
            Phase::Ready
        };
        self.update_conditions();
        let database = if self.is_unreadable.load(Ordering::Relaxed) {
            health::Database::Unreadable
        } else {
            health::Database::Readable
        };
        Health {
            phase,
            database,
            degraded: self.conditions.names().into_iter().map(str::to_owned).collect(),
            notes: self.notes(),
        }
    }

    /// Looks whether the database can be read.
    pub(crate) async fn watch_database(&self) {
        let is_readable = self.store.can_be_read().await;
        self.is_unreadable.store(!is_readable, Ordering::Relaxed);
    }

    /// Whether a write has found the disk read-only since this was asked last.
    pub(crate) fn found_read_only(&self) -> bool {
        self.store.found_read_only()
    }

    /// Takes note of what others know not to work.
    pub(crate) fn update_conditions(&self) {
        let stopped = self.store.writes_stopped();
        for (condition, holds) in [
            (
                Condition::FsyncFailed,
                stopped == Some(Unwritable::Broken) || self.store.checkpoint_fails(),
            ),
            (Condition::DatabaseDamaged, stopped == Some(Unwritable::Damaged)),
            (Condition::Mail, self.mail.is_failing()),
            (Condition::AppView, self.appview.is_down()),
            (Condition::Relay, self.relays.iter().any(Relay::is_down)),
            (Condition::ClockBehind, self.sequencer.is_ahead_of_the_clock()),
        ] {
            self.conditions.set(condition, holds);
        }
    }

    /// What the operator should know though everything works.
    fn notes(&self) -> Vec<String> {
        let notes = [
            ("client_addresses_hidden", self.limiter.clients_are_hidden()),
            ("blobs_missing", self.blobs.are_missing()),
        ];
        let holding = notes.into_iter().filter(|(_, holds)| *holds);
        holding.map(|(note, _)| note.to_owned()).collect()
    }

    /// Brings the gauges up to date that cost nothing to read.
    pub(crate) fn measure(&self) {
        metrics::READY.set_flag([], self.health().is_ready());
        self.conditions.measure();
        metrics::WRITES_STOPPED.set_flag([], self.refuses_writes());
        metrics::CLIENT_ADDRESSES_HIDDEN.set_flag([], self.limiter.clients_are_hidden());
        self.store.measure();
        self.repos.measure();
        self.sequencer.measure();
    }

    /// Whether writes of records are refused because of the disk. A disk that is nearly full takes some more.
    fn refuses_writes(&self) -> bool {
        let was_full = self.store.found_full() && self.conditions.holds(Condition::DiskFull);
        was_full || self.store.writes_stopped().is_some() || self.conditions.holds(Condition::ReadOnly)
    }
}
