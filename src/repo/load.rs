//! Loading a repo: its signed head and the tree derived from its records.

use std::sync::Arc;

use atproto_data::{Cid, Did, Tid};
use atproto_repo::commit::Commit;
use atproto_repo::mst::Tree;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{RepoError, Repos};
use crate::store::StoreError;

/// Records read at a time while a tree is derived: a page is one hop to the connection's thread.
const PAGE_RECORDS: i64 = 4_096;

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
        let _permit = self.0.cold_builds.acquire().await.map_err(|_| RepoError::Aborted)?;
        // Under the lock, so that a write cannot be overtaken by the older tree that is being built, and twenty readers build one.
        let _lock = self.0.locks.lock(repo_id).await;
        if let Some(repo) = self.0.trees.get(repo_id) {
            return Ok(repo);
        }
        let repo = Arc::new(self.load_cold(repo_id).await?);
        self.0.trees.keep_if_room(repo_id, Arc::clone(&repo));
        Ok(repo)
    }

    /// For writers, who hold the repo's lock.
    pub(super) async fn load_for_write(&self, repo_id: i64) -> Result<Arc<LoadedRepo>, RepoError> {
        match self.0.trees.get(repo_id) {
            Some(repo) => Ok(repo),
            None => Ok(Arc::new(self.load_cold(repo_id).await?)),
        }
    }

    async fn load_cold(&self, repo_id: i64) -> Result<LoadedRepo, RepoError> {
        let mut reader = self.0.store.read().await?;
        // One transaction: head and records of the same commit.
        let mut snapshot = reader.begin().await?;
        let mut repo = load_head(&mut snapshot, repo_id).await?.ok_or(RepoError::NotFound)?;
        let pairs = load_pairs(&mut snapshot, repo_id).await?;
        snapshot.rollback().await?;
        drop(reader);
        let data = Commit::decode(&repo.commit)
            .map_err(|error| damaged(repo_id, &error))?
            .data;
        let tree = tokio::task::spawn_blocking(move || Tree::from_sorted(pairs))
            .await
            .map_err(|_| RepoError::Aborted)?
            .map_err(|error| damaged(repo_id, &error))?;
        if tree.root() != data {
            tracing::error!(repo_id, did = %repo.did, "the records do not give the tree that the head names: quarantined");
            return Err(RepoError::Quarantined { repo_id });
        }
        repo.tree = tree;
        Ok(repo)
    }
}

fn damaged(repo_id: i64, error: &dyn std::fmt::Display) -> RepoError {
    tracing::error!(repo_id, %error, "a repo is damaged: quarantined");
    RepoError::Quarantined { repo_id }
}

/// The head of a repo, with an empty tree.
pub(super) async fn load_head(
    connection: &mut SqliteConnection,
    repo_id: i64,
) -> Result<Option<LoadedRepo>, RepoError> {
    let row = sqlx::query(
        "SELECT a.did, CASE WHEN a.deactivated_at IS NULL AND a.takedown_ref IS NULL THEN 1 ELSE 0 END, r.commit_cid, r.rev, r.commit_data \
         FROM repo r JOIN account a ON a.repo_id = r.repo_id WHERE r.repo_id = $1",
    )
    .bind(repo_id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let did: String = row.try_get(0)?;
    Ok(Some(LoadedRepo {
        did: did
            .parse()
            .map_err(|_| StoreError::Damaged("DID of an account".to_owned()))?,
        active: row.try_get::<i64, _>(1)? != 0,
        commit_cid: cid_column(row.try_get(2)?)?,
        rev: rev_column(row.try_get(3)?),
        commit: row.try_get(4)?,
        tree: Tree::empty(),
    }))
}

/// All keys and CIDs of a repo in key order.
pub(super) async fn load_pairs(
    connection: &mut SqliteConnection,
    repo_id: i64,
) -> Result<Vec<(String, Cid)>, RepoError> {
    let mut pairs: Vec<(String, Cid)> = Vec::new();
    loop {
        let after = pairs.last().map_or("", |(path, _)| path);
        let rows = sqlx::query("SELECT path, cid FROM record WHERE repo_id = $1 AND path > $2 ORDER BY path LIMIT $3")
            .bind(repo_id)
            .bind(after)
            .bind(PAGE_RECORDS)
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            pairs.push((row.try_get(0)?, cid_column(row.try_get(1)?)?));
        }
        if rows.len() < usize::try_from(PAGE_RECORDS).unwrap_or(usize::MAX) {
            return Ok(pairs);
        }
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
