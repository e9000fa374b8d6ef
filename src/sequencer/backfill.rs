//! Pages of old events: each is read from the log for one subscriber, and all of them together have a bound in memory, whoever does not
//! read on. While others wait for room, a subscriber has it for a bounded time only.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use atproto_repo::frame::MAX_FRAME_BYTES;
use futures_util::future::BoxFuture;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};

use super::log::{self, PAGE_BYTES};
use crate::clock::Clock;
use crate::store::{SequencedEvent, Store, StoreError};

/// What all pages may have together, in KiB.
const ROOM_KIB: u32 = 64 << 10;
/// What a page may have, in KiB: it ends with the frame that fills it.
const PAGE_KIB: u32 = 6 << 10;
const _: () = assert!(PAGE_BYTES + MAX_FRAME_BYTES <= (PAGE_KIB as usize) << 10);
/// How long a subscriber may take for a page while others wait for room: 100 KiB/s for one of many small events.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// The log, for those who read old events. Cheap to clone.
#[derive(Clone)]
pub(super) struct Backfill {
    store: Store,
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
    /// How many wait for room.
    waiting: watch::Sender<usize>,
}

/// One of those who wait for room.
struct Waiting(watch::Sender<usize>);

/// One subscriber's part of the room: at most one page.
#[derive(Default)]
pub(super) struct Place {
    /// What its page takes.
    held: Option<OwnedSemaphorePermit>,
    /// Its turn, for which it may have been waiting before it did something else for a moment.
    turn: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>>,
}

impl Backfill {
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Backfill {
        Backfill {
            store,
            clock,
            room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
            waiting: watch::Sender::default(),
        }
    }

    /// Up to `max` events after a cursor, oldest first; fewer if their frames are large. Waits until there is room for them, which they
    /// take until the place is left. Cancel safe.
    pub(super) async fn page(
        &self,
        place: &mut Place,
        cursor: i64,
        max: usize,
    ) -> Result<Vec<SequencedEvent>, StoreError> {
        let room = place.turn.get_or_insert_with(|| Box::pin(self.clone().turn())).await;
        place.turn = None;
        let mut room = room.map_err(|_| StoreError::CLOSED)?;
        let page = log::page(&mut *self.store.read().await?, cursor, max).await?;
        let bytes: usize = page.iter().map(|event| event.frame.len()).sum();
        place.held = room.split(bytes.div_ceil(1 << 10));
        Ok(page)
    }

    /// Waits until there is room for a page.
    async fn turn(self) -> Result<OwnedSemaphorePermit, AcquireError> {
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(PAGE_KIB) {
            return Ok(room);
        }
        let _waiting = Waiting::new(self.waiting);
        self.room.acquire_many_owned(PAGE_KIB).await
    }

    /// Ends when a subscriber that is busy with something else has kept its place, or its turn, from others for too long. It has lost it then.
    pub(super) async fn outstayed(&self, place: &mut Place) {
        if place.held.is_none() && place.turn.is_none() {
            return pending().await;
        }
        self.clock.sleep(PAGE_TIME).await;
        // It cannot fail: its sender is here.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
        *place = Place::default();
    }
}

impl Waiting {
    fn new(count: watch::Sender<usize>) -> Waiting {
        count.send_modify(|waiting| *waiting += 1);
        Waiting(count)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Place {
    /// The subscriber has sent its page.
    pub(super) fn leave(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::fake::FakeClock;
    use crate::store::testing::TestStore;

    async fn backfill() -> (TestStore, Arc<FakeClock>, Backfill) {
        let test = TestStore::open().await;
        let inserted = test.store.change(|tx| {
            Box::pin(async move {
                sqlx::query(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) \
                     INSERT INTO event (seq, account_id, time, frame) SELECT i, 1, i, zeroblob(200000) FROM n",
                )
                .execute(tx.connection())
                .await
                .map(drop)
                .map_err(StoreError::from)
            })
        });
        inserted.await.unwrap();
        let clock = Arc::new(FakeClock::new());
        let backfill = Backfill::new(test.store.clone(), Arc::clone(&clock) as _);
        (test, clock, backfill)
    }

    #[tokio::test]
    async fn readers_that_do_not_read_hold_no_more_than_the_room() {
        let (_test, _, backfill) = backfill().await;
        let mut held = Vec::new();
        while backfill.room.available_permits() >= PAGE_KIB as usize {
            let mut place = Place::default();
            let page = backfill.page(&mut place, 0, 100).await.unwrap();
            assert_eq!(page.len(), 3, "a page ends when its frames are large");
            held.push((place, page));
        }
        let bytes: usize = held
            .iter()
            .flat_map(|(_, page)| page)
            .map(|event| event.frame.len())
            .sum();
        assert!(
            held.len() > 50 && bytes <= (ROOM_KIB as usize) << 10,
            "{} pages",
            held.len()
        );

        let (mut next, mut last) = (Place::default(), Place::default());
        for place in [&mut next, &mut last] {
            assert!(backfill.page(place, 0, 100).now_or_never().is_none());
        }
        // It has not lost its turn while it looked at something else.
        held[0].0.leave();
        assert_eq!(backfill.page(&mut next, 3, 100).await.unwrap()[0].seq, 4);
        assert!(backfill.page(&mut last, 0, 100).now_or_never().is_none());
        held.clear();
        next.leave();
        assert_eq!(backfill.page(&mut last, 9, 100).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_page_is_kept_as_long_as_nobody_waits_for_its_room() {
        let (_test, clock, backfill) = backfill().await;
        let (mut slow, mut next) = (Place::default(), Place::default());
        backfill.page(&mut slow, 0, 100).await.unwrap();
        let others = Arc::clone(&backfill.room).acquire_many_owned(ROOM_KIB - PAGE_KIB - 1_000);
        let _others = others.await.unwrap();
        let outstayed = |place: &mut Place| backfill.outstayed(place).now_or_never().is_some();
        assert!(!outstayed(&mut slow), "there is room for one more");

        backfill.page(&mut next, 0, 100).await.unwrap();
        let (mut last, mut live) = (Place::default(), Place::default());
        assert!(backfill.page(&mut last, 0, 100).now_or_never().is_none());
        assert!(!outstayed(&mut live), "who reads live events takes no room");
        assert_eq!(clock.slept(), [PAGE_TIME]);
        assert!(outstayed(&mut slow));
        assert_eq!(backfill.page(&mut last, 9, 100).await.unwrap().len(), 1);
        assert!(!outstayed(&mut next), "nobody waits any more");
    }

    #[tokio::test]
    async fn a_turn_that_is_not_taken_is_lost() {
        let (_test, _, backfill) = backfill().await;
        let all = Arc::clone(&backfill.room).acquire_many_owned(ROOM_KIB);
        let mut all = all.await.unwrap();
        let (mut busy, mut next) = (Place::default(), Place::default());
        for place in [&mut busy, &mut next] {
            assert!(backfill.page(place, 0, 100).now_or_never().is_none());
        }
        // The turn of the one that does not look.
        drop(all.split(PAGE_KIB as usize));
        backfill.outstayed(&mut busy).await;
        assert_eq!(backfill.page(&mut next, 9, 100).await.unwrap().len(), 1);
    }
}
