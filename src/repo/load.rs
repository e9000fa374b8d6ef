//! Loading a repo: its signed head and the tree derived from its records.

use std::sync::Arc;

use atproto_data::{Cid, Did, Tid};
use atproto_repo::commit::Commit;
use atproto_repo::mst::Tree;
use tokio::sync::OwnedSemaphorePermit;

use super::{RepoError, Repos};
use crate::store::{Columns as _, Snapshot, Store, StoreError};

/// A repo at one commit. Immutable: a write makes a new one.
#[derive(Debug)]
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
    /// All records.
    pub tree: Tree,
}

impl Repos {
    /// The repo at its newest commit, from the cache or derived from its records.
    ///
    /// # Errors
    /// [`RepoError::NotFound`], or [`RepoError::Quarantined`] if the records do not give what the head names.
    pub async fn snapshot(&self, repo_id: i64) -> Result<Arc<LoadedRepo>, RepoError> {
        if let Some(repo) = self.0.trees.get(repo_id) {
            return Ok(repo);
        }
        // The place in the queue first: a writer must not wait for the lock behind all other strangers' builds.
        let place = Arc::clone(&self.0.cold_builds).acquire_owned().await;
        let place = place.map_err(|_| RepoError::Aborted)?;
        // Under the lock, so that a write cannot be overtaken by the older tree that is being built, and twenty readers build one.
        let _lock = self.0.locks.lock(repo_id).await;
        if let Some(repo) = self.0.trees.get(repo_id) {
            return Ok(repo);
        }
        let repo = Arc::new(self.load_cold(repo_id, Some(place)).await?);
        self.0.trees.keep_if_room(repo_id, Arc::clone(&repo));
        Ok(repo)
    }

    /// For writers, who hold the repo's lock.
    pub(super) async fn load_for_write(&self, repo_id: i64) -> Result<Arc<LoadedRepo>, RepoError> {
        match self.0.trees.get(repo_id) {
            Some(repo) => Ok(repo),
            None => Ok(Arc::new(self.load_cold(repo_id, None).await?)),
        }
    }

    /// Derives a repo; `place` is given back when that is done, also if nobody waits for it any more.
    async fn load_cold(&self, repo_id: i64, place: Option<OwnedSemaphorePermit>) -> Result<LoadedRepo, RepoError> {
        let store = self.0.store.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _held = place;
            derive(&store, repo_id)
        });
        let loaded = task.await.map_err(|_| RepoError::Aborted)?;
        match &loaded {
            Err(RepoError::Quarantined { .. }) => self.quarantined().insert(repo_id),
            _ => self.quarantined().remove(&repo_id),
        };
        loaded
    }
}

fn derive(store: &Store, repo_id: i64) -> Result<LoadedRepo, RepoError> {
    // Head and records of the same commit.
    let snapshot = store.snapshot()?;
    let mut repo = load_head(&snapshot, repo_id)?.ok_or(RepoError::NotFound)?;
    let pairs = load_pairs(&snapshot, repo_id)?;
    drop(snapshot);
    let data = Commit::decode(&repo.commit)
        .map_err(|error| damaged(repo_id, &error))?
        .data;
    let tree = Tree::from_sorted(pairs).map_err(|error| damaged(repo_id, &error))?;
    if tree.root() != data {
        tracing::error!(repo_id, did = %repo.did, "the records do not give the tree that the head names: quarantined");
        return Err(RepoError::Quarantined { repo_id });
    }
    repo.tree = tree;
    Ok(repo)
}

fn damaged(repo_id: i64, error: &dyn std::fmt::Display) -> RepoError {
    tracing::error!(repo_id, %error, "a repo is damaged: quarantined");
    RepoError::Quarantined { repo_id }
}

const HEAD: &str = "SELECT a.did, CASE WHEN a.deactivated_at IS NULL AND a.takedown_ref IS NULL THEN 1 ELSE 0 END, \
     r.commit_cid, r.rev, r.commit_data FROM repo r JOIN account a ON a.repo_id = r.repo_id WHERE r.repo_id = $1";

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
        })
    })?;
    Ok(found.pop())
}

/// All keys and CIDs of a repo in key order.
pub(super) fn load_pairs(snapshot: &Snapshot, repo_id: i64) -> Result<Vec<(String, Cid)>, StoreError> {
    snapshot.all(
        "SELECT path, cid FROM record WHERE repo_id = $1 ORDER BY path",
        &[repo_id.into()],
        |row| Ok((row.column(0)?, cid_column(row.bytes(1)?)?)),
    )
}

/// A CID as it is stored.
pub(super) fn cid_column(bytes: &[u8]) -> Result<Cid, StoreError> {
    Cid::from_bytes(bytes).map_err(|error| StoreError::Damaged(format!("CID: {error}")))
}

/// A rev as it is stored.
pub(super) fn rev_column(rev: i64) -> Tid {
    Tid::from_u64(rev.unsigned_abs())
}
