//! Pages of old events: each is read from the log for one subscriber, and all of them together have a bound in memory, whoever does not
//! read on.

use std::sync::Arc;

use atproto_repo::frame::MAX_FRAME_BYTES;
use futures_util::future::BoxFuture;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::log::{self, PAGE_BYTES};
use crate::store::{SequencedEvent, Store, StoreError};

/// What all pages may have together, in KiB.
const ROOM_KIB: usize = 64 << 10;
/// What a page may have, in KiB: it ends with the frame that fills it.
const PAGE_KIB: u32 = 6 << 10;
const _: () = assert!(PAGE_BYTES + MAX_FRAME_BYTES <= (PAGE_KIB as usize) << 10);

/// The log, for those who read old events. Cheap to clone.
#[derive(Clone)]
pub(super) struct Backfill {
    store: Store,
    room: Arc<Semaphore>,
}

/// One subscriber's part of the room: at most one page.
#[derive(Default)]
pub(super) struct Place {
    /// What its page takes.
    held: Option<OwnedSemaphorePermit>,
    /// Its turn, for which it may have been waiting before it did something else for a moment.
    turn: Option<BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>>,
}

impl Backfill {
    pub(super) fn new(store: Store) -> Backfill {
        Backfill {
            store,
            room: Arc::new(Semaphore::new(ROOM_KIB)),
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
        let turn = place
            .turn
            .get_or_insert_with(|| Box::pin(Arc::clone(&self.room).acquire_many_owned(PAGE_KIB)));
        let room = turn.await;
        place.turn = None;
        let mut room = room.map_err(|_| StoreError::CLOSED)?;
        let page = log::page(&mut *self.store.read().await?, cursor, max).await?;
        let bytes: usize = page.iter().map(|event| event.frame.len()).sum();
        place.held = room.split(bytes.div_ceil(1 << 10));
        Ok(page)
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
    use crate::store::testing::TestStore;

    async fn backfill() -> (TestStore, Backfill) {
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
        let backfill = Backfill::new(test.store.clone());
        (test, backfill)
    }

    #[tokio::test]
    async fn readers_that_do_not_read_hold_no_more_than_the_room() {
        let (_test, backfill) = backfill().await;
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
        assert!(held.len() > 50 && bytes <= ROOM_KIB << 10, "{} pages", held.len());

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
}
