//! The firehose: gives events their place, keeps the log and feeds the subscribers.
//!
//! The log is on disk; its newest part is also in memory, shared by all subscribers. A subscriber reads pages of the log until it reaches
//! the shared part and stays there: there is no moment at which an event could be missed or repeated.

mod backfill;
#[cfg(test)]
mod clock_tests;
mod live;
mod log;
mod place;
mod prune;
mod purge;
mod size;
mod slots;
mod subscriber;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::observe::metrics;
use crate::store::{Database, Sequence, Store, StoreError};

pub use log::{LogState, events_after, events_per_second, state as log_state};
pub use prune::prune;
pub use subscriber::{Delivery, StartError, Subscriber};

use backfill::Backfill;
use live::Live;
use place::Placer;
use slots::{Slot, Slots};

/// Relays take no rev that is further in the future, in µs.
const MOST_AHEAD_MICROS: i64 = 5 * 60 * 1_000_000;

/// How much of the firehose is kept where.
#[derive(Clone, Copy, Debug)]
pub struct FirehoseSettings {
    /// Age at which events leave the log (`PDS_REPO_BACKFILL_LIMIT_MS`).
    pub backfill_limit: Duration,
    /// How many events a live subscriber may be behind (`PDS_MAX_SUBSCRIPTION_BUFFER`).
    pub max_subscription_buffer: usize,
}

/// The firehose of this server. Cheap to clone.
#[derive(Clone)]
pub struct Sequencer {
    store: Store,
    live: Arc<Live>,
    backfill: Backfill,
    clock: Arc<dyn Clock>,
    settings: FirehoseSettings,
    slots: Slots,
}

/// A sequencer whose store does not write yet.
pub struct SequencerStart {
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    settings: FirehoseSettings,
    last: i64,
}

impl SequencerStart {
    /// Reads where the log ends.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn new(
        database: &Database,
        clock: Arc<dyn Clock>,
        settings: FirehoseSettings,
    ) -> Result<SequencerStart, StoreError> {
        let mut reader = database.read().await?;
        let last = log::state(&mut reader).await?.seq_high;
        let live = Arc::new(Live::new(last, settings.max_subscription_buffer));
        Ok(SequencerStart {
            live,
            clock,
            settings,
            last,
        })
    }

    /// What the store's writer calls for each event.
    pub fn sequence(&self) -> Box<dyn Sequence> {
        Box::new(Placer::new(self.last, Arc::clone(&self.clock), Arc::clone(&self.live)))
    }

    /// The sequencer over the store that was started with `sequence`.
    pub fn finish(self, store: Store) -> Sequencer {
        Sequencer {
            backfill: Backfill::new(store.clone(), Arc::clone(&self.clock)),
            store,
            live: self.live,
            clock: self.clock,
            settings: self.settings,
            slots: Slots::new(),
        }
    }
}

impl Sequencer {
    /// Leave for one more subscriber, to be held as long as it is there; none if there are too many, or too many from its `address`.
    pub fn slot(&self, address: Option<IpAddr>) -> Option<Slot> {
        self.slots.take(address)
    }

    /// A new subscriber that starts after `cursor`, or with the next event if there is none.
    ///
    /// # Errors
    /// [`StartError::FutureCursor`] if no event with that seq can have been sent, or if the log cannot be read.
    pub async fn subscribe(&self, cursor: Option<i64>) -> Result<Subscriber, StartError> {
        let state = log::state(&mut *self.store.read().await?).await?;
        Subscriber::start(
            self.backfill.clone(),
            Arc::clone(&self.live),
            cursor,
            state,
            self.clock.now_micros(),
        )
    }

    /// Changes with every event: the seq of the newest one.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.live.watch()
    }

    /// Whether seqs, and revs with them, are so far ahead of the clock, which was set back, that relays may drop them.
    pub fn is_ahead_of_the_clock(&self) -> bool {
        *self.live.watch().borrow() - self.clock.now_micros() > MOST_AHEAD_MICROS
    }

    /// The last seq given out and the seq up to which the log was pruned.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn state(&self) -> Result<LogState, StoreError> {
        log::state(&mut *self.store.read().await?).await
    }

    /// Writes what is known without asking the database into the metrics.
    pub fn measure(&self) {
        metrics::FIREHOSE_SUBSCRIBERS.set_count([], self.slots.taken() as u64);
        metrics::FIREHOSE_LAG.set_count([], self.live.lag() as u64);
        let newest = *self.live.watch().borrow();
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds since 1970 are below 2^53 for 250 years"
        )]
        metrics::FIREHOSE_LAST_EVENT.set([], newest as f64 / 1e6);
    }

    /// Removes events older than the backfill limit from the log.
    ///
    /// # Errors
    /// If the database refuses it.
    pub async fn prune_old(&self) -> Result<u64, StoreError> {
        let limit = i64::try_from(self.settings.backfill_limit.as_micros()).unwrap_or(i64::MAX);
        prune(&self.store, self.clock.now_micros().saturating_sub(limit)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::fake::FakeClock;
    use crate::store::testing::TestStore;

    #[tokio::test]
    async fn a_clock_that_was_set_back_is_noticed_until_it_has_caught_up() {
        let test = TestStore::open().await;
        let clock = Arc::new(FakeClock::new());
        let settings = FirehoseSettings {
            backfill_limit: Duration::MAX,
            max_subscription_buffer: 1,
        };
        let start = SequencerStart {
            live: Arc::new(Live::new(FakeClock::START, 1)),
            clock: Arc::clone(&clock) as _,
            settings,
            last: FakeClock::START,
        };
        let sequencer = start.finish(test.store.clone());
        for (back, ahead) in [(0, false), (299, false), (2, true)] {
            clock.set_back(Duration::from_secs(back));
            assert_eq!(sequencer.is_ahead_of_the_clock(), ahead, "{back}");
        }
        clock.advance(Duration::from_secs(1));
        assert!(!sequencer.is_ahead_of_the_clock());
    }
}
