//! What changed in a repo since a rev, told by the event log.
//!
//! The log knows the difference only if it still holds every event of the account after that rev: the `#commit`s then name each other
//! by `since`, from the head back to the rev asked for. Any gap (pruned events, an import, a rev that never was a head) leaves the
//! whole repo as the answer.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use atproto_data::{Cid, Tid};
use atproto_repo::frame::Frame;

use super::load::{check_content, cid_column, damaged};
use super::{LoadedRepo, RepoError};
use crate::store::{Columns as _, Parameter, Snapshot, StoreError};

/// Bytes of frames read at most: about 4,000 commits of one record. Beyond, the whole repo costs no more.
const MAX_LOG_BYTES: usize = 16 << 20;
/// Events read at most.
const MAX_EVENTS: i64 = 10_000;
/// Records read at a time.
pub(super) const PAGE_RECORDS: usize = 32;

/// The account's events from the newest back, as far as the log goes.
const CHAIN: &str = "WITH RECURSIVE chain (seq, step) AS ( \
     SELECT last_event, 1 FROM repo WHERE repo_id = $1 \
     UNION ALL \
     SELECT e.previous, c.step + 1 FROM chain c JOIN event e ON e.seq = c.seq WHERE c.step < $2) \
     SELECT e.frame FROM chain c JOIN event e ON e.seq = c.seq";

/// The keys that were created, changed or deleted after `since`, whatever became of them later; `None` if the log cannot tell.
pub(super) fn touched_since(
    snapshot: &Snapshot,
    repo_id: i64,
    head: Tid,
    since: Tid,
) -> Result<Option<BTreeSet<String>>, RepoError> {
    let mut chain = Chain {
        expected: head,
        touched: BTreeSet::new(),
    };
    if head == since {
        return Ok(Some(chain.touched));
    }
    let (mut bytes, mut is_reached) = (0, false);
    snapshot.each(CHAIN, &[repo_id.into(), MAX_EVENTS.into()], |row| {
        let frame = row.bytes(0)?;
        bytes += frame.len();
        if bytes > MAX_LOG_BYTES {
            return Ok(ControlFlow::Break(()));
        }
        let step = chain.step_back(frame, since);
        is_reached = matches!(step, Step::Reached);
        Ok::<_, StoreError>(match step {
            Step::Older => ControlFlow::Continue(()),
            Step::Reached | Step::Broken => ControlFlow::Break(()),
        })
    })?;
    Ok(is_reached.then_some(chain.touched))
}

/// The way back from the head.
struct Chain {
    /// The rev that the next older commit must have.
    expected: Tid,
    touched: BTreeSet<String>,
}

enum Step {
    /// This was the first commit after the rev asked for.
    Reached,
    /// There may be older ones.
    Older,
    /// The log does not lead to the rev asked for.
    Broken,
}

impl Chain {
    fn step_back(&mut self, frame: &[u8], since: Tid) -> Step {
        match Frame::decode(frame) {
            Err(error) => {
                tracing::warn!(%error, "an event of the log cannot be read");
                Step::Broken
            }
            Ok(Frame::Commit(commit)) if commit.rev == self.expected => {
                self.touched.extend(commit.ops.into_iter().map(|op| op.path));
                match commit.since {
                    Some(previous) if previous == since => Step::Reached,
                    Some(previous) if previous > since => {
                        self.expected = previous;
                        Step::Older
                    }
                    _ => Step::Broken,
                }
            }
            // Nothing is known of what lies between the commit before and the one that a `#sync` tells of.
            Ok(Frame::Commit(_) | Frame::Sync { .. }) => Step::Broken,
            Ok(_) => Step::Older,
        }
    }
}

/// The records at some paths, at most [`PAGE_RECORDS`], as far as they are there: CIDs and contents.
pub(super) fn contents(
    snapshot: &Snapshot,
    repo_id: i64,
    repo: &LoadedRepo,
    paths: &[&str],
) -> Result<Vec<(Cid, Vec<u8>)>, RepoError> {
    let mut present = Vec::new();
    for path in paths.iter().copied() {
        if repo.tree.get(path.as_bytes())?.is_some() {
            present.push(path);
        }
    }
    let Some(last) = present.last() else {
        return Ok(Vec::new());
    };
    let parameters: Vec<String> = (2..PAGE_RECORDS + 2).map(|number| format!("${number}")).collect();
    let sql = format!(
        "SELECT cid, content FROM record WHERE repo_id = $1 AND path IN ({})",
        parameters.join(", ")
    );
    // A short page repeats its last path: one statement serves all.
    let paths = (0..PAGE_RECORDS).map(|index| Parameter::from(*present.get(index).unwrap_or(last)));
    let parameters: Vec<_> = std::iter::once(repo_id.into()).chain(paths).collect();
    let found: Vec<(Cid, Vec<u8>)> = snapshot.all(&sql, &parameters, |row| {
        Ok((cid_column(row.bytes(0)?)?, row.column(1)?))
    })?;
    if found.len() != present.len() {
        return Err(damaged(repo_id, &repo.did, &"a record of the tree is missing"));
    }
    for (cid, content) in &found {
        check_content(repo_id, &repo.did, *cid, content)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

    use std::collections::{HashMap, HashSet};

    use atproto_repo::commit::Commit;
    use atproto_repo::mst::TreeItem;
    use proptest::prelude::*;

    use super::*;
    use crate::repo::testing::{Blocks, TestRepos, create, delete, put};
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
}
