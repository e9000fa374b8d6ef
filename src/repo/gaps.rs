//! Filling in the gaps of large repos' trees: each is one range of records.

use std::ops::ControlFlow;
use std::sync::Arc;

use atproto_data::Did;
use atproto_repo::mst::{Gap, Subtree};
use tokio::sync::OwnedSemaphorePermit;

use super::load::{cid_column, damaged, load_head};
use super::{LoadedRepo, RepoError, Repos};
use crate::store::{Snapshot, Store};

const RECORDS: &str = "SELECT path, cid FROM record WHERE repo_id = $1 AND path > $2 AND path < $3 ORDER BY path";
/// Sorts behind every path: those are made of NSIDs and rkeys.
const AFTER_ALL: &str = "\u{7f}";

/// The subtree of a gap, from the records of the same commit.
pub(super) fn load(snapshot: &Snapshot, repo_id: i64, did: &Did, gap: &Gap) -> Result<Subtree, RepoError> {
    let path = |key: &Option<Box<[u8]>>| key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned());
    let after = path(&gap.after).unwrap_or_default();
    let before = path(&gap.before).unwrap_or_else(|| AFTER_ALL.to_owned());
    let mut pairs: Vec<(Box<[u8]>, _)> = Vec::new();
    snapshot.each(RECORDS, &[repo_id.into(), (&after).into(), (&before).into()], |row| {
        pairs.push((row.text(0)?.as_bytes().into(), cid_column(row.bytes(1)?)?));
        Ok::<_, RepoError>(ControlFlow::Continue(()))
    })?;
    gap.subtree(pairs).map_err(|error| damaged(repo_id, did, &error))
}

/// The repo with all gaps around some paths filled in.
pub(super) fn fill<P: AsRef<[u8]>>(
    snapshot: &Snapshot,
    repo_id: i64,
    repo: &LoadedRepo,
    paths: impl IntoIterator<Item = P>,
) -> Result<LoadedRepo, RepoError> {
    let mut repo = repo.clone();
    for gap in repo.tree.gaps(paths) {
        let subtree = load(snapshot, repo_id, &repo.did, &gap)?;
        repo.tree = repo
            .tree
            .fill(&gap, &subtree)
            .map_err(|error| damaged(repo_id, &repo.did, &error))?;
    }
    Ok(repo)
}

/// A snapshot of the database in which a repo is at the commit of `repo`; none if it has moved on.
pub(super) fn snapshot_of(store: &Store, repo_id: i64, repo: &LoadedRepo) -> Result<Option<Snapshot>, RepoError> {
    let snapshot = store.snapshot()?;
    let head = load_head(&snapshot, repo_id)?;
    Ok(head.filter(|head| head.commit_cid == repo.commit_cid).map(|_| snapshot))
}

impl Repos {
    /// A repo with what is needed at some paths: their proofs and those of their neighbours. None if a write has overtaken it.
    pub(super) async fn filled_for_read(
        &self,
        repo_id: i64,
        repo: Arc<LoadedRepo>,
        paths: Vec<String>,
    ) -> Result<Option<Arc<LoadedRepo>>, RepoError> {
        if repo.tree.gaps(&paths).is_empty() {
            return Ok(Some(repo));
        }
        let place = self.place_for_cold_read().await?;
        self.filled(repo_id, repo, paths, Some(place)).await
    }

    /// A repo with what is needed to write at some paths. The caller holds its lock.
    pub(super) async fn filled_for_write(
        &self,
        repo_id: i64,
        repo: Arc<LoadedRepo>,
        paths: Vec<String>,
    ) -> Result<Arc<LoadedRepo>, RepoError> {
        if repo.tree.gaps(&paths).is_empty() {
            return Ok(repo);
        }
        // Nobody else moves its head.
        self.filled(repo_id, repo, paths, None)
            .await?
            .ok_or(RepoError::NotFound)
    }

    async fn filled(
        &self,
        repo_id: i64,
        repo: Arc<LoadedRepo>,
        paths: Vec<String>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Option<Arc<LoadedRepo>>, RepoError> {
        let store = self.0.store.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _held = place;
            let Some(snapshot) = snapshot_of(&store, repo_id, &repo)? else {
                return Ok(None);
            };
            fill(&snapshot, repo_id, &repo, &paths).map(Arc::new).map(Some)
        });
        let filled = task.await.map_err(|_| RepoError::Aborted)?;
        if let Err(RepoError::Quarantined { .. }) = &filled {
            self.quarantined().insert(repo_id);
        }
        filled
    }
}
