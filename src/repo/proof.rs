//! CARs of single blocks: proofs of records and blocks by CID.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use atproto_data::{Cid, Did, Nsid, RecordKey};
use atproto_repo::car;
use atproto_repo::mst::{Found, NotLoaded};
use sqlx::Row as _;

use super::load::{check_content, cid_column};
use super::{LoadedRepo, RepoError, Repos, gaps};
use crate::store::Store;

/// The most bytes of blocks in one answer: a repo's blocks can have 2 MB each.
const MAX_BLOCKS_BYTES: usize = 4 << 20;
/// How often a read that a write overtook starts again.
const ATTEMPTS: usize = 5;
/// A tree of so many records, or one with gaps, is searched on a thread that may block, one of few at a time.
const LONG_WALK_RECORDS: u64 = 20_000;

impl Repos {
    /// A CAR that proves a record, or that there is none: commit, nodes on the way, record (`com.atproto.sync.getRecord`).
    ///
    /// # Errors
    /// If the repo does not exist or cannot be read.
    pub async fn record_proof(&self, repo_id: i64, collection: &Nsid, rkey: &RecordKey) -> Result<Vec<u8>, RepoError> {
        let path = format!("{collection}/{rkey}");
        for _ in 0..ATTEMPTS {
            let repo = self.snapshot(repo_id).await?;
            let Some(repo) = self.filled_for_read(repo_id, repo, vec![path.clone()]).await? else {
                continue;
            };
            let mut out = Vec::new();
            car::write_header(&mut out, Some(&repo.commit_cid));
            car::write_block(&mut out, &repo.commit_cid, &repo.commit);
            for block in repo.tree.proof(path.as_bytes())? {
                car::write_block(&mut out, block.cid, block.bytes);
            }
            let Some(cid) = repo.tree.get(path.as_bytes())? else {
                return Ok(out);
            };
            if let Some(content) = self.content(repo_id, &repo.did, &path, cid).await? {
                car::write_block(&mut out, &cid, &content);
                return Ok(out);
            }
        }
        Err(RepoError::Busy)
    }

    /// A CAR without root of the blocks with these CIDs, each once: the head commit, tree nodes and records. Answers the CIDs that are
    /// not there as an error of the inner result (`com.atproto.sync.getBlocks`).
    ///
    /// # Errors
    /// [`RepoError::BlocksTooLarge`], or if the repo does not exist or cannot be read.
    pub async fn blocks(&self, repo_id: i64, cids: &[Cid]) -> Result<Result<Vec<u8>, Vec<Cid>>, RepoError> {
        let (repo, found) = self.find(repo_id, cids).await?;
        let mut out = Vec::new();
        let mut missing = Vec::new();
        let mut seen = HashSet::new();
        car::write_header(&mut out, None);
        for cid in cids.iter().filter(|cid| seen.insert(**cid)) {
            let content = match found.get(cid) {
                _ if *cid == repo.commit_cid => Some(repo.commit.clone()),
                Some(Found::Node(bytes)) => Some(bytes.to_vec()),
                Some(Found::Record { key }) => {
                    self.content(repo_id, &repo.did, &String::from_utf8_lossy(key), *cid)
                        .await?
                }
                None => None,
            };
            match content {
                Some(content) if out.len() + content.len() > MAX_BLOCKS_BYTES => {
                    return Err(RepoError::BlocksTooLarge { max: MAX_BLOCKS_BYTES });
                }
                Some(content) => car::write_block(&mut out, cid, &content),
                None => missing.push(*cid),
            }
        }
        Ok(if missing.is_empty() { Ok(out) } else { Err(missing) })
    }

    /// What some CIDs name in a repo's tree.
    async fn find(&self, repo_id: i64, cids: &[Cid]) -> Result<(Arc<LoadedRepo>, Names), RepoError> {
        for _ in 0..ATTEMPTS {
            let repo = self.snapshot(repo_id).await?;
            // The commit is not in the tree, and to learn that would be a walk through all of it.
            let wanted: HashSet<Cid> = cids.iter().copied().filter(|cid| *cid != repo.commit_cid).collect();
            if repo.tree.is_whole() && repo.tree.len() < LONG_WALK_RECORDS {
                let found = repo.tree.find(&wanted, |gap| Err(NotLoaded { cid: gap.cid() }))?;
                return Ok((repo, found));
            }
            let place = self.place_for_cold_read().await?;
            let (store, searched) = (self.0.store.clone(), Arc::clone(&repo));
            let found = tokio::task::spawn_blocking(move || {
                let _held = place;
                find_in_gaps(&store, repo_id, &searched, &wanted)
            });
            if let Some(found) = found.await.map_err(|_| RepoError::Aborted)?? {
                return Ok((repo, found));
            }
        }
        Err(RepoError::Busy)
    }

    /// A record's content if it is still the one with this CID.
    async fn content(&self, repo_id: i64, did: &Did, path: &str, cid: Cid) -> Result<Option<Vec<u8>>, RepoError> {
        let row = sqlx::query("SELECT cid, content FROM record WHERE repo_id = $1 AND path = $2")
            .bind(repo_id)
            .bind(path)
            .fetch_optional(&mut *self.0.store.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if cid_column(row.try_get(0)?)? != cid {
            return Ok(None);
        }
        let content: Vec<u8> = row.try_get(1)?;
        self.quarantine(repo_id, check_content(repo_id, did, cid, &content))?;
        Ok(Some(content))
    }
}

/// What CIDs name.
type Names = HashMap<Cid, Found>;

/// Searches a tree with gaps, one of them at a time; none if a write has overtaken it.
fn find_in_gaps(
    store: &Store,
    repo_id: i64,
    repo: &LoadedRepo,
    wanted: &HashSet<Cid>,
) -> Result<Option<Names>, RepoError> {
    let Some(snapshot) = gaps::snapshot_of(store, repo_id, repo)? else {
        return Ok(None);
    };
    let found = repo
        .tree
        .find(wanted, |gap| gaps::load(&snapshot, repo_id, &repo.did, gap))?;
    Ok(Some(found))
}
