//! A clock that was ahead and is set right (fault F10).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::backfill::Backfill;
use super::live::Live;
use super::{LogState, StartError, Subscriber, prune};
use crate::clock::fake::FakeClock;
use crate::store::StoreError;
use crate::store::testing::TestStore;

/// Events of these times, which got the seqs 1, 2, 3….
async fn with_events(times: &[i64]) -> TestStore {
    let test = TestStore::open().await;
    for (index, &time) in times.iter().enumerate() {
        let seq = i64::try_from(index).unwrap() + 1;
        let stored = test.store.change(move |tx| {
            Box::pin(async move {
                let insert = sqlx::query("INSERT INTO event (seq, account_id, time, frame) VALUES ($1, 1, $2, $3)");
                let insert = insert.bind(seq).bind(time).bind(Vec::<u8>::new());
                insert
                    .execute(tx.connection())
                    .await
                    .map(drop)
                    .map_err(StoreError::from)
            })
        });
        stored.await.unwrap();
    }
    test
}

#[tokio::test]
async fn events_of_a_time_to_come_go_with_those_after_them() {
    let test = with_events(&[10, 1_000_000, 1_000_001, 20, 30]).await;
    assert_eq!(prune(&test.store, 10).await.unwrap(), 0);
    assert_eq!(prune(&test.store, 15).await.unwrap(), 1);
    assert_eq!(prune(&test.store, 25).await.unwrap(), 3);
    assert_eq!(test.integer("SELECT min(seq) FROM event").await, 5);
    assert_eq!(test.integer("SELECT pruned_to FROM sequencer").await, 4);
}

#[tokio::test]
async fn a_cursor_is_in_the_future_only_if_nothing_like_it_was_sent() {
    let test = TestStore::open().await;
    let state = |seq_high| LogState { seq_high, pruned_to: 0 };
    let start = |cursor, seq_high, now| {
        let live = Arc::new(Live::new(seq_high, 10));
        Subscriber::start(
            Backfill::new(test.store.clone(), Arc::new(FakeClock::new())),
            live,
            Some(cursor),
            state(seq_high),
            now,
        )
    };
    // The clock says 100; before it was set back, 500 was sent.
    assert!(start(500, 500, 100).is_ok());
    assert!(matches!(start(501, 500, 100), Err(StartError::FutureCursor)));
    // Restored from a backup that knows of nothing after 50.
    assert!(start(100, 50, 100).is_ok());
    assert!(matches!(start(101, 50, 100), Err(StartError::FutureCursor)));
}
