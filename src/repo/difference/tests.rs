#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, HashSet};

use atproto_repo::commit::Commit;
use atproto_repo::frame::identity_event;
use atproto_repo::mst::TreeItem;
use proptest::prelude::*;

use super::*;
use crate::repo::testing::{Blocks, TestRepos, create, create_text, delete, put};
use crate::repo::{RecordWrite, RepoRef};

/// Applies an export to the blocks that a reader has, and checks that it then has the complete tree, of which it gives the root.
fn bring_up_to_date(mut old: HashMap<Cid, Vec<u8>>, difference: &Blocks, now: &LoadedRepo) {
    old.extend(difference.blocks.clone());
    let commit = Commit::decode(&old[&difference.root]).unwrap();
    assert_eq!((difference.root, commit.data), (now.commit_cid, now.tree.root()));
    let mut walk = now.tree.blocks();
    while let Some(item) = walk.advance() {
        let (TreeItem::Node { cid, .. } | TreeItem::Leaf { cid, .. }) = item else {
            panic!("{item:?}");
        };
        assert!(old.contains_key(&cid), "{item:?}");
    }
}

async fn many(test: &TestRepos, repo: &RepoRef, count: u32) {
    for start in (0..count).step_by(200) {
        let writes = (start..count.min(start + 200)).map(|n| create(&format!("com.example.a/{n}"), n));
        test.write(repo, writes.collect()).await.unwrap();
    }
}

#[tokio::test]
async fn a_difference_has_the_new_records_and_the_nodes_around_the_touched_ones() {
    let test = TestRepos::open().await;
    let repo = test.account('a').await;
    many(&test, &repo, 600).await;
    let (old, since) = (test.export(&repo, None).await, test.rev(&repo).await);
    test.write(&repo, vec![put("com.example.a/7", 1_000), delete("com.example.a/8")])
        .await
        .unwrap();
    test.write(&repo, vec![create("com.example.b/new", 1_001)])
        .await
        .unwrap();

    let difference = test.export(&repo, Some(since)).await;
    assert!(difference.blocks.len() < 40, "{}", difference.blocks.len());
    let records = old
        .blocks
        .iter()
        .filter(|(_, bytes)| bytes.windows(6).any(|window| window == b"number"));
    let records: HashSet<&Cid> = records.map(|(cid, _)| cid).collect();
    assert_eq!(records.len(), 600);
    assert!(difference.blocks.keys().all(|cid| !records.contains(cid)));
    bring_up_to_date(
        old.blocks,
        &difference,
        &test.repos.snapshot(repo.repo_id).await.unwrap(),
    );
}

#[tokio::test]
async fn the_whole_repo_comes_where_the_log_cannot_tell() {
    let test = TestRepos::open().await;
    let repo = test.account('a').await;
    let genesis = test.rev(&repo).await;
    many(&test, &repo, 400).await;
    let whole = test.export(&repo, None).await.blocks.len();
    let head = test.rev(&repo).await;

    let count = async |since| test.export(&repo, Some(since)).await.blocks.len();
    assert_eq!(count(head).await, 2, "the commit and the root of its tree");
    assert_eq!(count(genesis).await, whole, "every record is newer");
    for unknown in [
        genesis.as_u64() - 1_024,
        genesis.as_u64() + 1,
        head.as_u64() - 1,
        head.as_u64() + 1_024,
    ] {
        assert_eq!(count(Tid::from_u64(unknown)).await, whole);
    }
    test.write(&repo, vec![create("com.example.b/1", 1)]).await.unwrap();
    assert!(count(head).await < 20);
    test.write(&repo, vec![create("com.example.b/2", 1)]).await.unwrap();
    let newest = test.rev(&repo).await;
    test.write(&repo, vec![create("com.example.b/3", 1)]).await.unwrap();
    assert!(count(newest).await < 20);
    let damage = test.test.store.change(|tx| {
        Box::pin(async move {
            let event = "UPDATE event SET frame = $1 WHERE seq = (SELECT max(seq) FROM event)";
            sqlx::query(event).bind(&b"x"[..]).execute(tx.connection()).await?;
            Ok::<_, StoreError>(())
        })
    });
    damage.await.unwrap();
    assert_eq!(count(newest).await, whole_of(&test, &repo).await, "an event is damaged");
    let prune = test.test.store.change(|tx| {
        Box::pin(async move {
            let removed = sqlx::query("DELETE FROM event WHERE seq <= 3")
                .execute(tx.connection())
                .await?;
            assert_eq!(removed.rows_affected(), 3);
            Ok::<_, StoreError>(())
        })
    });
    prune.await.unwrap();
    assert_eq!(
        count(head).await,
        whole_of(&test, &repo).await,
        "a commit after it left the log"
    );
}

#[tokio::test]
async fn a_log_of_many_bytes_is_not_read() {
    let test = TestRepos::open().await;
    let repo = test.account('a').await;
    many(&test, &repo, 50).await;
    let since = test.rev(&repo).await;
    let (large, path) = ("x".repeat(900_000), "com.example.b/large");
    // Each of them takes its record's bytes of the log, and the repo keeps none.
    let pairs = MAX_LOG_BYTES / large.len();
    for pair in 0..=pairs {
        test.write(&repo, vec![create_text(path, &large)]).await.unwrap();
        test.write(&repo, vec![delete(path)]).await.unwrap();
        let is_whole = test.export(&repo, Some(since)).await.blocks.len() == whole_of(&test, &repo).await;
        assert_eq!(is_whole, pair == pairs, "{pair}");
    }
}

#[tokio::test]
async fn a_log_of_many_events_is_not_read() {
    let test = TestRepos::open().await;
    let repo = test.account('a').await;
    many(&test, &repo, 50).await;
    let since = test.rev(&repo).await;
    test.write(&repo, vec![create("com.example.b/1", 1)]).await.unwrap();
    let frame = identity_event(&repo.did, None).frame(1, "2026-01-01T00:00:00.000Z");
    let repo_id = repo.repo_id;
    let identities = async |count: i64| {
        let frame = frame.clone();
        let added = test.test.store.change(move |tx| {
            Box::pin(async move {
                let events = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1), \
                     newest (seq) AS (SELECT last_event FROM repo WHERE repo_id = $2) \
                     INSERT INTO event (seq, account_id, previous, time, frame) \
                     SELECT seq + i, 1, seq + i - 1, 1, $3 FROM n, newest";
                let added = sqlx::query(events).bind(count).bind(repo_id).bind(frame);
                added.execute(tx.connection()).await?;
                let newest = "UPDATE repo SET last_event = last_event + $1 WHERE repo_id = $2";
                sqlx::query(newest)
                    .bind(count)
                    .bind(repo_id)
                    .execute(tx.connection())
                    .await?;
                Ok::<_, StoreError>(())
            })
        });
        added.await.unwrap();
    };
    let whole = whole_of(&test, &repo).await;
    identities(MAX_EVENTS - 1).await;
    assert!(test.export(&repo, Some(since)).await.blocks.len() < whole);
    identities(1).await;
    assert_eq!(test.export(&repo, Some(since)).await.blocks.len(), whole);
}

#[tokio::test]
async fn a_difference_that_is_all_over_a_large_repo_is_the_whole_of_it() {
    let test = TestRepos::open_tiny().await;
    let repo = test.account('a').await;
    many(&test, &repo, 3_000).await;
    let since = test.rev(&repo).await;
    let whole = whole_of(&test, &repo).await;
    let change_every = async |step: usize, number: u32| {
        let keys: Vec<u32> = (0..3_000).step_by(step).collect();
        for some in keys.chunks(200) {
            let writes = some
                .iter()
                .map(|key| put(&format!("com.example.a/{key}"), number + key));
            test.write(&repo, writes.collect()).await.unwrap();
        }
        test.export(&repo, Some(since)).await.blocks.len()
    };
    assert!(change_every(100, 10_000).await < whole / 2, "few gaps are filled in");
    assert_eq!(change_every(5, 20_000).await, whole);
}

async fn whole_of(test: &TestRepos, repo: &RepoRef) -> usize {
    test.export(repo, None).await.blocks.len()
}

/// A commit of the property test: at each of some paths a number is put, or the record goes.
fn commits() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
    let write = (0..60_u8, proptest::option::of(any::<u8>()));
    proptest::collection::vec(proptest::collection::vec(write, 1..12), 2..10)
}

fn writes(commit: &[(u8, Option<u8>)]) -> Vec<RecordWrite> {
    let path = |key: u8| format!("com.example.{}/{key}", if key.is_multiple_of(3) { "a" } else { "b" });
    let write = |(key, number): &(u8, Option<u8>)| match number {
        Some(number) => put(&path(*key), (*number).into()),
        None => delete(&path(*key)),
    };
    commit.iter().map(write).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn old_blocks_and_difference_make_the_whole_tree(commits in commits()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let test = TestRepos::open().await;
            let repo = test.account('a').await;
            let mut seen = vec![(test.rev(&repo).await, test.export(&repo, None).await)];
            for commit in &commits {
                test.write(&repo, writes(commit)).await.unwrap();
                seen.push((test.rev(&repo).await, test.export(&repo, None).await));
            }
            let now = test.repos.snapshot(repo.repo_id).await.unwrap();
            for (rev, old) in seen {
                let difference = test.export(&repo, Some(rev)).await;
                bring_up_to_date(old.blocks, &difference, &now);
            }
        });
    }
}
