//! Large repos, which work with a part of their tree, against the same repos with all of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use atproto_data::Cid;
use atproto_repo::mst::{SkeletonEntry, Tree};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use sqlx::{AssertSqlSafe, Row as _};

use super::load::cid_column;
use super::skeleton::{self, SkeletonRule};
use super::testing::{TINY, TestRepos, create, delete, put};
use super::{RecordWrite, RepoError, RepoRef};
use crate::store::StoreError;

impl TestRepos {
    /// An account with so many records.
    async fn account_of(&self, letter: char, records: u32) -> RepoRef {
        let repo = self.account(letter).await;
        for first in (0..records).step_by(200) {
            let writes = (first..records.min(first + 200)).map(|number| create(&path(number), number));
            self.write(&repo, writes.collect()).await.unwrap();
        }
        repo
    }

    /// The tree of all records, whole.
    async fn tree(&self, repo: &RepoRef) -> Tree {
        let mut reader = self.test.store.read().await.unwrap();
        let rows = sqlx::query("SELECT path, cid FROM record WHERE repo_id = $1 ORDER BY path").bind(repo.repo_id);
        let rows = rows.fetch_all(&mut *reader).await.unwrap();
        Tree::from_sorted(
            rows.iter()
                .map(|row| (row.get::<String, _>(0), cid_column(row.get(1)).unwrap())),
        )
        .unwrap()
    }

    /// The stored skeleton, if it is that of the records.
    async fn skeleton(&self, repo: &RepoRef) -> Option<Vec<SkeletonEntry>> {
        let root = self.tree(repo).await.root();
        let snapshot = self.test.store.snapshot().unwrap();
        let tree = skeleton::load(&snapshot, repo.repo_id, TINY.layer, root).unwrap()?;
        Some(tree.skeleton(TINY.layer).unwrap())
    }

    async fn skeleton_rows(&self) -> i64 {
        self.test.integer("SELECT count(*) FROM repo_skeleton").await
    }

    async fn damage(&self, sql: &'static str) {
        let damage = self.test.store.change(move |tx| {
            Box::pin(async move {
                let done = sqlx::query(AssertSqlSafe(sql)).execute(tx.connection()).await?;
                assert!(done.rows_affected() > 0);
                Ok::<_, StoreError>(())
            })
        });
        damage.await.unwrap();
    }

    async fn proof(&self, repo: &RepoRef, path: &str) -> Result<Vec<u8>, RepoError> {
        let (collection, rkey) = path.split_once('/').unwrap();
        let (collection, rkey) = (collection.parse().unwrap(), rkey.parse().unwrap());
        self.repos.record_proof(repo.repo_id, &collection, &rkey).await
    }
}

fn path(number: u32) -> String {
    format!(
        "com.example.{}/{number}",
        if number.is_multiple_of(3) { "a" } else { "b" }
    )
}

/// At each of some paths a number is put, or the record goes; and whether nothing is in memory before.
type Commit = (Vec<(u32, Option<u32>)>, bool);

fn commits() -> impl Strategy<Value = Vec<Commit>> {
    let write = (0..300_u32, proptest::option::weighted(0.4, 0..1_000_u32));
    proptest::collection::vec((proptest::collection::vec(write, 1..40), any::<bool>()), 2..10)
}

fn writes(commit: &[(u32, Option<u32>)]) -> Vec<RecordWrite> {
    let write = |(key, number): &(u32, Option<u32>)| match number {
        Some(number) => put(&path(*key), *number),
        None => delete(&path(*key)),
    };
    commit.iter().map(write).collect()
}

/// Makes the same commits in a repo that works with its skeleton and in one that has its whole tree.
async fn compare(records: u32, commits: &[Commit]) {
    let (tiny, whole) = (TestRepos::open_tiny().await, TestRepos::open().await);
    let repo = tiny.account_of('a', records).await;
    assert_eq!(whole.account_of('a', records).await, repo);
    for (commit, is_cold) in commits {
        if *is_cold {
            tiny.repos.forget(repo.repo_id);
        }
        let since = tiny.rev(&repo).await;
        tiny.write(&repo, writes(commit)).await.unwrap();
        whole.write(&repo, writes(commit)).await.unwrap();
        // Events have the commit, the nodes that invert it and its records.
        let (last, expected) = (tiny.test.published(), whole.test.published());
        assert_eq!(
            last.last().map(|event| &event.frame),
            expected.last().map(|event| &event.frame)
        );
        for (key, _) in commit.iter().take(4) {
            let path = path(*key);
            assert_eq!(
                tiny.proof(&repo, &path).await.unwrap(),
                whole.proof(&repo, &path).await.unwrap()
            );
        }
        for since in [None, Some(since)] {
            let (export, expected) = (tiny.export(&repo, since).await, whole.export(&repo, since).await);
            assert_eq!((export.root, export.blocks), (expected.root, expected.blocks));
        }
        let tree = whole.tree(&repo).await;
        if tree.len() >= TINY.from_records {
            // A commit that makes the repo large is followed by one that stores the skeleton.
            tiny.repos.load_for_write(repo.repo_id).await.unwrap();
        }
        match tiny.skeleton(&repo).await {
            Some(skeleton) => assert_eq!(skeleton, tree.skeleton(TINY.layer).unwrap()),
            None => assert_eq!((tiny.skeleton_rows().await, tree.len() < TINY.from_records), (0, true)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_repo_does_the_same_with_its_skeleton(records in 0..400_u32, commits in commits()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(records, &commits));
    }
}

#[tokio::test]
async fn a_repo_has_a_skeleton_while_it_is_large_and_removal_takes_it_along() {
    let test = TestRepos::open_tiny().await;
    let repo = test.account_of('a', 39).await;
    test.write(&repo, vec![create(&path(39), 0)]).await.unwrap();
    assert_eq!(test.skeleton_rows().await, 0, "it has just become large");
    test.write(&repo, vec![create(&path(40), 0)]).await.unwrap();
    assert!(test.skeleton(&repo).await.is_some());
    let all = |first| (first..41).map(|number| delete(&path(number))).collect();
    test.write(&repo, all(20)).await.unwrap();
    assert!(
        test.skeleton(&repo).await.is_some(),
        "kept true, not thrown away at once"
    );
    test.write(&repo, all(0)).await.unwrap();
    assert_eq!(test.skeleton_rows().await, 0);

    let repo = test.account_of('b', 300).await;
    assert!(test.skeleton_rows().await > 40);
    while test.repos.purge_some(repo.repo_id).await.unwrap() {}
    assert_eq!(test.skeleton_rows().await, 0);
}

#[tokio::test]
async fn a_skeleton_that_is_not_that_of_the_head_is_made_anew() {
    for damage in [
        "DELETE FROM repo_skeleton WHERE path = (SELECT max(path) FROM repo_skeleton)",
        "DELETE FROM repo_skeleton WHERE path > (SELECT min(path) FROM repo_skeleton)",
        "DELETE FROM repo_skeleton",
        "UPDATE repo_skeleton SET subtree_cid = NULL WHERE path = ''",
        "UPDATE repo_skeleton SET cid = subtree_cid WHERE subtree_cid IS NOT NULL AND path <> ''",
        "INSERT INTO repo_skeleton (repo_id, path) VALUES (1, 'com.example.a/zzz')",
        "UPDATE repo_skeleton SET cid = NULL",
    ] {
        let test = TestRepos::open_tiny().await;
        let repo = test.account_of('a', 300).await;
        let whole = test.skeleton(&repo).await.unwrap();
        test.damage(damage).await;
        test.repos.forget(repo.repo_id);
        test.proof(&repo, &path(7)).await.unwrap();
        assert_eq!(test.skeleton(&repo).await.as_ref(), Some(&whole), "{damage}");
        test.damage(damage).await;
        test.repos.forget(repo.repo_id);
        test.write(&repo, vec![put(&path(7), 1_000)]).await.unwrap();
        let expected = test.tree(&repo).await.skeleton(TINY.layer).unwrap();
        assert_eq!(test.skeleton(&repo).await, Some(expected), "{damage}");
    }
}

#[tokio::test]
async fn records_that_are_not_those_of_the_tree_are_found_where_they_are_needed() {
    let test = TestRepos::open_tiny().await;
    let repo = test.account_of('a', 300).await;
    let tree = test.tree(&repo).await.cut(TINY.layer);
    // A record that is not in the skeleton, and one that is nowhere near it.
    let is_low = |number: &u32| !tree.gaps([path(*number)]).is_empty();
    let lost = (0..300).find(is_low).unwrap();
    let far = (0..300)
        .rev()
        .find(|number| tree.gaps([path(*number)]) != tree.gaps([path(lost)]))
        .unwrap();
    let lost_path = path(lost);
    let remove = test.test.store.change(move |tx| {
        Box::pin(async move {
            let remove = sqlx::query("DELETE FROM record WHERE path = $1").bind(lost_path);
            remove.execute(tx.connection()).await?;
            Ok::<_, StoreError>(())
        })
    });
    remove.await.unwrap();
    test.repos.forget(repo.repo_id);
    let quarantined = |error: &RepoError| matches!(error, RepoError::Quarantined { .. });
    assert!(
        test.proof(&repo, &path(lost))
            .await
            .is_err_and(|error| quarantined(&error))
    );
    let write = test.write(&repo, vec![put(&path(lost), 1)]).await;
    assert!(write.is_err_and(|error| quarantined(&error)));
    let export = test.repos.export(repo.repo_id, None).await;
    assert!(export.is_err_and(|error| quarantined(&error)));
    test.write(&repo, vec![put(&path(far), 1)]).await.unwrap();
}

#[tokio::test]
async fn a_large_tree_takes_no_more_than_its_share_of_the_cache() {
    let cache_bytes = 256 << 10;
    let test = TestRepos::open_with(cache_bytes, TINY).await;
    let repo = test.account_of('a', 600).await;
    let whole = test.tree(&repo).await;
    assert!(whole.heap_bytes() as u64 > cache_bytes / 4);
    for number in (0..600).step_by(7).flat_map(|number| [number, number]) {
        // The second time it changes nothing.
        test.write(&repo, vec![put(&path(number), 1_000)]).await.unwrap();
        let cached = test.repos.0.trees.get(repo.repo_id).unwrap();
        assert!(
            test.repos.0.trees.is_within_share(&cached),
            "{}",
            cached.tree.heap_bytes()
        );
        assert_eq!(cached.tree.len(), 600);
    }
}

#[tokio::test]
async fn strangers_wait_for_their_turn_and_writers_do_not() {
    let test = TestRepos::open_tiny().await;
    let repo = test.account_of('a', 300).await;
    let root = [test.tree(&repo).await.root()];
    let cut = || async {
        test.repos.forget(repo.repo_id);
        drop(test.repos.snapshot(repo.repo_id).await.unwrap());
        assert!(!test.repos.0.trees.get(repo.repo_id).unwrap().tree.is_whole());
    };
    cut().await;
    let places = [
        test.repos.place_for_cold_read().await.unwrap(),
        test.repos.place_for_cold_read().await.unwrap(),
    ];
    let number = (0..300).find(|number| {
        !test
            .repos
            .0
            .trees
            .get(repo.repo_id)
            .unwrap()
            .tree
            .gaps([path(*number)])
            .is_empty()
    });
    let path = path(number.unwrap());
    // Polled once, each waits for a place.
    assert!(test.repos.place_for_cold_read().now_or_never().is_none());
    assert!(Box::pin(test.proof(&repo, &path)).now_or_never().is_none());
    assert!(
        Box::pin(test.repos.blocks(repo.repo_id, &root))
            .now_or_never()
            .is_none()
    );
    let waiting = tokio::join!(
        async {
            // The writer loads what it needs, and ends, while strangers wait.
            test.write(&repo, vec![put(&path, 1_000)]).await.unwrap();
            test.repos.forget(repo.repo_id);
            test.write(&repo, vec![put(&path, 1_001)]).await.unwrap();
            drop(places);
        },
        test.proof(&repo, &path),
        test.repos.blocks(repo.repo_id, &root),
    );
    assert!(waiting.1.is_ok());
    assert_eq!(waiting.2.unwrap(), Err(root.to_vec()), "it was overtaken");
    cut().await;
    let root = test.tree(&repo).await.root();
    let leaf = Cid::of_dag_cbor(b"absent");
    assert_eq!(
        test.repos.blocks(repo.repo_id, &[root, leaf]).await.unwrap(),
        Err(vec![leaf])
    );
    assert!(test.repos.blocks(repo.repo_id, &[root]).await.unwrap().is_ok());
}

#[tokio::test]
async fn what_strangers_read_never_takes_the_place_of_what_writers_use() {
    let test = TestRepos::open_with(16 << 10, SkeletonRule::DEFAULT).await;
    let mut repos = Vec::new();
    for letter in 'a'..='e' {
        repos.push(test.account_of(letter, 40).await);
    }
    let cached = |repo: &RepoRef| test.repos.0.trees.get(repo.repo_id).is_some();
    for repo in &repos {
        test.repos.forget(repo.repo_id);
    }
    test.write(&repos[0], vec![put(&path(1), 1_000)]).await.unwrap();
    for repo in repos.iter().chain(&repos).chain(&repos) {
        let repo = test.repos.snapshot(repo.repo_id).await.unwrap();
        assert_eq!(repo.tree.len(), 40);
    }
    test.repos.measure();
    assert!(cached(&repos[0]));
    assert!(!repos.iter().all(cached), "the cache is too small for all");
}
