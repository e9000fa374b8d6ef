//! One reader of the firehose: from the log to the live events without gap or repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::watch;

use super::LogState;
use super::backfill::{Backfill, Place};
use super::live::{Live, Window};
use crate::store::{SequencedEvent, StoreError};

/// Events taken at a time from the log or the shared buffer; a frame is at most 5 MB, typically 4 KB.
const PAGE_EVENTS: usize = 100;

/// Why a subscription cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cursor is a seq that this server cannot have sent.
    #[error("Cursor in the future.")]
    FutureCursor,
    /// The log cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a subscriber gets next.
#[derive(Debug)]
pub enum Delivery {
    /// Events in seq order, at least one.
    Events(Vec<SequencedEvent>),
    /// It fell out of the shared buffer while live, and has to connect again.
    TooSlow,
}

/// A position in the firehose.
pub struct Subscriber {
    backfill: Backfill,
    /// Its old events that are still to be sent.
    place: Place,
    live: Arc<Live>,
    newest: watch::Receiver<i64>,
    cursor: i64,
    /// The cursor for all to see, once it is live.
    position: Arc<AtomicI64>,
    /// The subscriber has reached the live events and must keep up from now on.
    is_live: bool,
    outdated: bool,
}

impl Subscriber {
    pub(super) fn start(
        backfill: Backfill,
        live: Arc<Live>,
        cursor: Option<i64>,
        state: LogState,
        now: i64,
    ) -> Result<Subscriber, StartError> {
        let newest = live.watch();
        let last = *newest.borrow();
        let (start, outdated) = match cursor {
            None => (last, false),
            Some(cursor) if cursor > last.max(state.seq_high).max(now) => return Err(StartError::FutureCursor),
            // Never sent by this database, but no longer in the future: it was restored from a backup. Nothing before is missing here.
            Some(cursor) if cursor > last => (last, false),
            Some(cursor) => (cursor.max(0), cursor > 0 && cursor < state.pruned_to),
        };
        Ok(Subscriber {
            backfill,
            place: Place::default(),
            position: live.position(),
            live,
            newest,
            cursor: start,
            is_live: false,
            outdated,
        })
    }

    /// Whether events between the cursor and the start of the log were pruned (`OutdatedCursor`).
    pub fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Ends when it is too slow while it is busy with something else than [`Subscriber::next`]: others wait for the room that its old events
    /// take, which it leaves then.
    pub async fn outstayed(&mut self) {
        self.backfill.outstayed(&mut self.place).await;
    }

    /// Waits for the next events; those before have been sent. Cancel safe: an event is lost only if its delivery was received.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn next(&mut self) -> Result<Delivery, StoreError> {
        self.place.leave();
        loop {
            self.newest.borrow_and_update();
            let events = match self.live.after(self.cursor, PAGE_EVENTS) {
                Window::Older if self.is_live => return Ok(Delivery::TooSlow),
                Window::Older => {
                    // Taken before the page is read: whatever is published meanwhile stays after it.
                    let floor = self.live.floor();
                    let page = self.backfill.page(&mut self.place, self.cursor, PAGE_EVENTS).await?;
                    if page.is_empty() {
                        // Events that a deleted account left out: the shared buffer starts where the log ends.
                        self.cursor = self.cursor.max(floor);
                        continue;
                    }
                    page
                }
                Window::Events(events) => {
                    self.is_live = true;
                    events
                }
            };
            if let Some(last) = events.last() {
                self.cursor = last.seq;
            }
            if self.is_live {
                self.position.store(self.cursor, Ordering::Relaxed);
            }
            if !events.is_empty() {
                return Ok(Delivery::Events(events));
            }
            if self.newest.changed().await.is_err() {
                return Err(StoreError::CLOSED);
            }
        }
    }
}
