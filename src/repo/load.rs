//! Loading a repo: its signed head and the tree derived from its records, or from the skeleton of its tree.

use std::ops::ControlFlow;
use std::sync::Arc;

use atproto_data::{Cid, Did, Tid};
use atproto_repo::commit::Commit;
use atproto_repo::mst::{Builder, Tree};
use tokio::sync::{OnceCell, OwnedSemaphorePermit};

use super::skeleton::{self, SkeletonRule};
use super::{RepoError, Repos};
use crate::store::{Columns as _, Snapshot, Store, StoreError};

/// A repo at one commit. Immutable: a write makes a new one.
#[derive(Clone, Debug)]
pub struct LoadedRepo {
    /// Whose it is.
    pub did: Did,
    /// Whether the account is active; an inactive one's bytes are for its owner and admins only.
    pub active: bool,
    /// CID of the head commit.
    pub commit_cid: Cid,
    /// Rev of the head commit.
    pub rev: Tid,
    /// The signed head commit block.
    pub commit: Vec<u8>,
    /// All records. The tree of a large repo has gaps.
    pub tree: Tree,
    /// Whether the skeleton of this tree is stored, so that writes have to keep it true.
    pub(super) is_skeleton_stored: bool,
    /// How many blocks its records are, once somebody has asked.
    pub(super) record_blocks: Arc<OnceCell<u64>>,
}

impl Repos {
    /// The repo at its newest commit, from the cache or derived. Its tree may have gaps.
    ///
    /// # Errors
    /// [`RepoError::NotFound`], or [`RepoError::Quarantined`] if the records do not give what the head names.
    pub async fn snapshot(&self, repo_id: i64) -> Result<Arc<LoadedRepo>, RepoError> {
        if let Some(repo) = self.0.trees.get(repo_id) {
            return Ok(repo);
        }
        // The place in the queue first: a writer must not wait for the lock behind all other strangers' builds.
        let place = self.place_for_cold_read().await?;
        // Under the lock, so that a write cannot be overtaken by the older tree that is being built, and twenty readers build one.
        let _lock = self.0.locks.lock(repo_id).await;
        if let Some(repo) = self.0.trees.get(repo_id) {
            return Ok(repo);
        }
        let repo = self.load_cold(repo_id, Some(place)).await?;
        self.0.trees.keep_if_room(repo_id, Arc::clone(&repo));
        Ok(repo)
    }

    /// Waits until fewer than the allowed number of readers read what is in no cache.
    pub(super) async fn place_for_cold_read(&self) -> Result<OwnedSemaphorePermit, RepoError> {
        let place = Arc::clone(&self.0.cold_reads).acquire_owned().await;
        place.map_err(|_| RepoError::Aborted)
    }

    /// For writers, who hold the repo's lock. Once a repo is large its skeleton is stored before it is written to.
    pub(super) async fn load_for_write(&self, repo_id: i64) -> Result<Arc<LoadedRepo>, RepoError> {
        match self.0.trees.get(repo_id) {
            Some(repo) => Ok(self.with_skeleton(repo_id, repo).await),
            None => self.load_cold(repo_id, None).await,
        }
    }

    /// Derives a repo under its lock; `place` is given back when that is done, also if nobody waits for it any more.
    async fn load_cold(&self, repo_id: i64, place: Option<OwnedSemaphorePermit>) -> Result<Arc<LoadedRepo>, RepoError> {
        let (store, rule) = (self.0.store.clone(), self.0.skeleton_rule);
        let task = tokio::task::spawn_blocking(move || {
            let _held = place;
            derive(&store, repo_id, rule)
        });
        let loaded = task.await.map_err(|_| RepoError::Aborted)?;
        match &loaded {
            Err(RepoError::Quarantined { .. }) => self.quarantined().insert(repo_id),
            _ => self.quarantined().remove(&repo_id),
        };
        Ok(self.with_skeleton(repo_id, Arc::new(loaded?)).await)
    }
}

fn derive(store: &Store, repo_id: i64, rule: SkeletonRule) -> Result<LoadedRepo, RepoError> {
    // Head and records of the same commit.
    let snapshot = store.snapshot()?;
    let mut repo = load_head(&snapshot, repo_id)?.ok_or(RepoError::NotFound)?;
    load_tree(&mut repo, &snapshot, repo_id, rule)?;
    Ok(repo)
}

/// Gives the head of a repo its tree.
pub(super) fn load_tree(
    repo: &mut LoadedRepo,
    snapshot: &Snapshot,
    repo_id: i64,
    rule: SkeletonRule,
) -> Result<(), RepoError> {
    let commit = Commit::decode(&repo.commit).map_err(|error| damaged(repo_id, &repo.did, &error))?;
    if let Some(tree) = skeleton::load(snapshot, repo_id, rule.layer, commit.data)? {
        repo.tree = tree;
        repo.is_skeleton_stored = true;
        return Ok(());
    }
    repo.tree = tree_of_records(snapshot, repo_id, &repo.did, rule)?;
    if repo.tree.root() != commit.data {
        let error = "the records do not give the tree that the head names";
        return Err(damaged(repo_id, &repo.did, &error));
    }
    Ok(())
}

/// The tree of all records. If they are many it has gaps already while it grows: it takes little memory, however large the repo.
fn tree_of_records(snapshot: &Snapshot, repo_id: i64, did: &Did, rule: SkeletonRule) -> Result<Tree, RepoError> {
    let mut builder = Builder::new();
    snapshot.each(RECORDS, &[repo_id.into()], |row| {
        let pushed = builder.push(row.text(0)?.as_bytes(), cid_column(row.bytes(1)?)?);
        pushed.map_err(|error| damaged(repo_id, did, &error))?;
        if builder.pushed() == rule.from_records {
            builder.cut(rule.layer);
        }
        Ok::<_, RepoError>(ControlFlow::Continue(()))
    })?;
    builder.finish().map_err(|error| damaged(repo_id, did, &error))
}

/// Says in the log that a repo cannot be used.
pub(super) fn damaged(repo_id: i64, did: &Did, error: &dyn std::fmt::Display) -> RepoError {
    tracing::error!(repo_id, %did, %error, "a repo is damaged: quarantined");
    RepoError::Quarantined { repo_id }
}

const HEAD: &str = "SELECT a.did, CASE WHEN a.deactivated_at IS NULL AND a.takedown_ref IS NULL THEN 1 ELSE 0 END, \
     r.commit_cid, r.rev, r.commit_data FROM repo r JOIN account a ON a.repo_id = r.repo_id WHERE r.repo_id = $1";
const RECORDS: &str = "SELECT path, cid FROM record WHERE repo_id = $1 ORDER BY path";

/// The head of a repo, with an empty tree.
pub(super) fn load_head(snapshot: &Snapshot, repo_id: i64) -> Result<Option<LoadedRepo>, StoreError> {
    let mut found = snapshot.all(HEAD, &[repo_id.into()], |row| {
        let did = row.text(0)?.parse();
        Ok(LoadedRepo {
            did: did.map_err(|_| StoreError::Damaged("DID of an account".to_owned()))?,
            active: row.column::<i64>(1)? != 0,
            commit_cid: cid_column(row.bytes(2)?)?,
            rev: rev_column(row.column(3)?),
            commit: row.column(4)?,
            tree: Tree::empty(),
            is_skeleton_stored: false,
            record_blocks: Arc::default(),
        })
    })?;
    Ok(found.pop())
}

/// Checks that a stored record still is what its CID names.
pub(super) fn check_content(repo_id: i64, did: &Did, cid: Cid, content: &[u8]) -> Result<(), RepoError> {
    if Cid::of_dag_cbor(content) == cid {
        Ok(())
    } else {
        Err(damaged(
            repo_id,
            did,
            &format_args!("a record does not have the hash {cid}"),
        ))
    }
}

/// A CID as it is stored.
pub(super) fn cid_column(bytes: &[u8]) -> Result<Cid, StoreError> {
    Cid::from_bytes(bytes).map_err(|error| StoreError::Damaged(format!("CID: {error}")))
}

/// A rev as it is stored.
pub(super) fn rev_column(rev: i64) -> Tid {
    Tid::from_u64(rev.unsigned_abs())
}
