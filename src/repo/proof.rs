//! CARs of single blocks: proofs of records and blocks by CID.

use std::collections::HashSet;

use atproto_data::{Cid, Nsid, RecordKey};
use atproto_repo::car;
use atproto_repo::mst::Found;
use sqlx::Row as _;

use super::load::cid_column;
use super::{RepoError, Repos};

/// How often a read that a write overtook starts again.
const ATTEMPTS: usize = 5;

impl Repos {
    /// A CAR that proves a record, or that there is none: commit, nodes on the way, record (`com.atproto.sync.getRecord`).
    ///
    /// # Errors
    /// If the repo does not exist or cannot be read.
    pub async fn record_proof(&self, repo_id: i64, collection: &Nsid, rkey: &RecordKey) -> Result<Vec<u8>, RepoError> {
        let path = format!("{collection}/{rkey}");
        for _ in 0..ATTEMPTS {
            let repo = self.snapshot(repo_id).await?;
            let mut out = Vec::new();
            car::write_header(&mut out, Some(&repo.commit_cid));
            car::write_block(&mut out, &repo.commit_cid, &repo.commit);
            for block in repo.tree.proof(path.as_bytes()) {
                car::write_block(&mut out, block.cid, block.bytes);
            }
            let Some(cid) = repo.tree.get(path.as_bytes()) else {
                return Ok(out);
            };
            if let Some(content) = self.content(repo_id, &path, cid).await? {
                car::write_block(&mut out, &cid, &content);
                return Ok(out);
            }
        }
        Err(RepoError::Busy)
    }

    /// A CAR without root of the blocks with these CIDs: the head commit, tree nodes and records. Answers the CIDs that are not there
    /// as an error of the inner result (`com.atproto.sync.getBlocks`).
    ///
    /// # Errors
    /// If the repo does not exist or cannot be read.
    pub async fn blocks(&self, repo_id: i64, cids: &[Cid]) -> Result<Result<Vec<u8>, Vec<Cid>>, RepoError> {
        let wanted: HashSet<Cid> = cids.iter().copied().collect();
        let repo = self.snapshot(repo_id).await?;
        let found = repo.tree.find(&wanted);
        let mut out = Vec::new();
        let mut missing = Vec::new();
        car::write_header(&mut out, None);
        for cid in cids {
            let content = match found.get(cid) {
                _ if *cid == repo.commit_cid => Some(repo.commit.clone()),
                Some(Found::Node(bytes)) => Some(bytes.to_vec()),
                Some(Found::Record { key }) => self.content(repo_id, &String::from_utf8_lossy(key), *cid).await?,
                None => None,
            };
            match content {
                Some(content) => car::write_block(&mut out, cid, &content),
                None => missing.push(*cid),
            }
        }
        Ok(if missing.is_empty() { Ok(out) } else { Err(missing) })
    }

    /// A record's content if it is still the one with this CID.
    async fn content(&self, repo_id: i64, path: &str, cid: Cid) -> Result<Option<Vec<u8>>, RepoError> {
        let row = sqlx::query("SELECT cid, content FROM record WHERE repo_id = $1 AND path = $2")
            .bind(repo_id)
            .bind(path)
            .fetch_optional(&mut *self.0.store.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if cid_column(row.try_get(0)?)? != cid {
            return Ok(None);
        }
        Ok(Some(row.try_get(1)?))
    }
}
