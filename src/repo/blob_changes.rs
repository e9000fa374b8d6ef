//! What a list of writes changes about the blobs that records refer to.

use std::collections::BTreeMap;

use atproto_data::Cid;
use atproto_repo::mst::{Action, Operation, Tree};

use super::record::{PreparedRecord, RecordWrite};
use super::{RepoError, RepoRef, Repos};
use crate::blob::{BlobRef, reference_changes};
use crate::store::BlobChanges;

impl Repos {
    /// Checks the blobs that the written records refer to. The caller holds the repo's lock. New records without blobs cost nothing.
    pub(super) async fn blob_changes(
        &self,
        repo: &RepoRef,
        old: &Tree,
        operations: &[Operation],
        writes: &[RecordWrite],
    ) -> Result<BlobChanges, RepoError> {
        let has_blobs = writes
            .iter()
            .filter_map(RecordWrite::record)
            .any(|record| !record.blobs.is_empty());
        if !has_blobs
            && operations
                .iter()
                .all(|operation| matches!(operation.action, Action::Create(_)))
        {
            return Ok(BlobChanges::default());
        }
        let written: BTreeMap<Cid, &PreparedRecord> = writes
            .iter()
            .filter_map(RecordWrite::record)
            .map(|record| (record.cid, record))
            .collect();
        // Of several operations at one path the last one counts.
        let last: BTreeMap<&str, Action> = operations
            .iter()
            .map(|operation| (path(operation), operation.action))
            .collect();
        let mut replaced = Vec::new();
        for path in last.keys().copied() {
            if old.get(path.as_bytes())?.is_some() {
                replaced.push(path);
            }
        }
        let records: Vec<(&str, &[BlobRef])> = last
            .iter()
            .filter_map(|(path, action)| match action {
                Action::Create(cid) | Action::Update(cid) => Some((*path, written.get(cid)?.blobs.as_slice())),
                Action::Delete => None,
            })
            .filter(|(_, blobs)| !blobs.is_empty())
            .collect();
        let mut reader = self.0.store.read().await?;
        Ok(reference_changes(&mut reader, &repo.did, repo.repo_id, &replaced, &records).await?)
    }
}

/// Paths are made of NSIDs and rkeys, which are ASCII.
fn path(operation: &Operation) -> &str {
    std::str::from_utf8(&operation.key).unwrap_or_default()
}
