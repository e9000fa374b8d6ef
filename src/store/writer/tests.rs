#![expect(clippy::unwrap_used, reason = "tests")]

use atproto_data::Cid;
use atproto_repo::frame::{self, EventBody};
use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use crate::store::testing::TestStore;
use crate::store::{BlobRefRow, Checkpoints, CommitWrite, RecordRow, StoreError, SubjectLinks};

/// The first commit of a repo, with one record and an event.
fn commit(repo_id: i64) -> CommitWrite {
    let content = format!("record of {repo_id}").into_bytes();
    let record = RecordRow {
        path: "com.example.thing/one".to_owned(),
        cid: Cid::of_dag_cbor(&content),
        content,
    };
    CommitWrite {
        account_id: repo_id,
        repo_id,
        commit_cid: Cid::of_dag_cbor(b"commit"),
        rev: 1,
        commit: b"commit".to_vec(),
        puts: vec![record],
        deletes: Vec::new(),
        subject_links: SubjectLinks::default(),
        collections_begun: vec!["com.example.thing".to_owned()],
        collections_ended: Vec::new(),
        skeleton: crate::store::SkeletonWrite::default(),
        blobs: crate::store::BlobChanges::default(),
        event: Some(event()),
    }
}

fn event() -> EventBody {
    let did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
    frame::identity_event(&did, None)
}

/// A commit that the database refuses: it refers to a blob that is not there.
fn refused(repo_id: i64) -> CommitWrite {
    let mut commit = commit(repo_id);
    commit.blobs.added.push(BlobRefRow {
        path: "com.example.thing/one".to_owned(),
        cid: Cid::of_raw(b"blob"),
    });
    commit
}

/// A change that keeps the writer until it is told to go on.
async fn hold(test: &TestStore, go_on: oneshot::Receiver<()>) {
    let held = test.store.change(|_| {
        Box::pin(async move {
            go_on.await.unwrap();
            Ok::<_, StoreError>(())
        })
    });
    held.await.unwrap();
}

#[tokio::test]
async fn a_refused_commit_takes_none_of_its_group_along() {
    let test = TestStore::open().await;
    let (go_on, told) = oneshot::channel();
    let ((), first, second, third, ()) = tokio::join!(
        hold(&test, told),
        test.store.commit(commit(1)),
        test.store.commit(refused(2)),
        test.store.commit(commit(3)),
        async { go_on.send(()).unwrap() },
    );
    assert!(matches!((first, third), (Ok(()), Ok(()))));
    assert!(matches!(second, Err(StoreError::BlobGone)), "{second:?}");
    assert_eq!(test.integer("SELECT group_concat(repo_id, '') + 0 FROM repo").await, 13);
    assert_eq!(test.integer("SELECT count(*) FROM record").await, 2);
    // Numbers of the group that was rolled back stay unused; subscribers hear of what is stored, in its order.
    let published: Vec<i64> = test.published().iter().map(|event| event.seq).collect();
    assert_eq!(published.len(), 2);
    assert!(published[0] > 3 && published[0] < published[1], "{published:?}");
    assert_eq!(test.integer("SELECT min(seq) FROM event").await, published[0]);
    assert_eq!(test.integer("SELECT max(seq) FROM event").await, published[1]);
    assert_eq!(test.integer("SELECT seq_high FROM sequencer").await, published[1]);
}

#[tokio::test]
async fn commits_and_changes_are_stored_in_turn() {
    let test = TestStore::open().await;
    let mut writes = Vec::new();
    for repo_id in 1..=4 {
        let committed = test.store.commit(commit(repo_id));
        // Sees the commit before it, on another connection; fails after every second one.
        let counted = test.store.change(move |tx| {
            Box::pin(async move {
                let row = sqlx::query_scalar("SELECT count(*) FROM repo").fetch_one(tx.connection());
                let count: i64 = row.await?;
                tx.emit(repo_id, repo_id, &event()).await?;
                if count % 2 == 0 {
                    Err(StoreError::BlobGone)
                } else {
                    Ok(count)
                }
            })
        });
        writes.push(async { tokio::join!(committed, counted) });
    }
    let outcomes = futures_util::future::join_all(writes).await;
    let counts: Vec<_> = outcomes
        .into_iter()
        .map(|(committed, counted)| (committed.is_ok(), counted.ok()))
        .collect();
    assert_eq!(counts, [(true, Some(1)), (true, None), (true, Some(3)), (true, None)]);
    let published: Vec<i64> = test.published().iter().map(|event| event.seq).collect();
    assert!(published.is_sorted() && published.len() == 6, "{published:?}");
    assert_eq!(test.integer("SELECT count(*) FROM event").await, 6);
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_nothing() {
    let test = TestStore::open().await;
    let (go_on, told) = oneshot::channel();
    let held = hold(&test, told);
    let abandoned = async {
        assert!(test.store.commit(commit(1)).now_or_never().is_none());
        go_on.send(()).unwrap();
    };
    tokio::join!(held, abandoned);
    test.store.commit(commit(2)).await.unwrap();
    assert_eq!(test.integer("SELECT count(*) FROM record WHERE repo_id = 1").await, 1);
    assert_eq!(test.published().len(), 2);
}

/// Fills more of the write-ahead log than is left alone.
async fn fill_log(test: &TestStore) {
    let mut large = commit(1);
    large.puts[0].content = vec![7; 2 << 20];
    test.store.commit(large).await.unwrap();
}

fn log_bytes(test: &TestStore) -> u64 {
    let log = test.file().with_extension("sqlite-wal");
    std::fs::metadata(log).unwrap().len()
}

#[tokio::test]
async fn a_large_log_is_emptied_once_nothing_is_written() {
    let test = TestStore::open().await;
    fill_log(&test).await;
    let full = log_bytes(&test);
    test.store.tidy().await.unwrap();
    test.store.commit(commit(2)).await.unwrap();
    assert!(log_bytes(&test) >= full, "something had been written");
    test.store.tidy().await.unwrap();
    test.store.tidy().await.unwrap();
    // Behind the checkpoint in the queue.
    let (go_on, told) = oneshot::channel();
    go_on.send(()).unwrap();
    hold(&test, told).await;
    assert!(log_bytes(&test) < 100_000, "{} bytes", log_bytes(&test));
    assert_eq!(test.integer("SELECT max(length(content)) FROM record").await, 2 << 20);
}

#[tokio::test]
async fn a_log_that_others_read_stays() {
    let test = TestStore::with(Checkpoints::Others).await;
    fill_log(&test).await;
    let full = log_bytes(&test);
    test.store.tidy().await.unwrap();
    test.store.tidy().await.unwrap();
    test.store.commit(commit(2)).await.unwrap();
    assert!(log_bytes(&test) >= full);
}
