//! What writes store of the skeletons of large repos' trees.

use atproto_repo::mst::{SkeletonEntry, SubtreeSummary};
use rusqlite::Transaction;

use super::statement::execute;
use super::{Parameter, SkeletonWrite};

pub(super) const SKELETON_PUT: &str = "INSERT INTO repo_skeleton \
     (repo_id, path, cid, subtree_cid, subtree_records, subtree_nodes) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (repo_id, path) DO UPDATE SET cid = excluded.cid, subtree_cid = excluded.subtree_cid, \
     subtree_records = excluded.subtree_records, subtree_nodes = excluded.subtree_nodes";
pub(super) const SKELETON_DELETE: &str = "DELETE FROM repo_skeleton WHERE repo_id = $1 AND path = $2";
pub(super) const SKELETON_CLEAR: &str = "DELETE FROM repo_skeleton WHERE repo_id = $1";

/// Stores what changes: nothing for small repos, mostly one row for large ones.
pub(super) fn put_skeleton(transaction: &Transaction<'_>, repo_id: i64, write: &SkeletonWrite) -> rusqlite::Result<()> {
    match write {
        SkeletonWrite::Change(changes) => {
            for key in &changes.deletes {
                execute(transaction, SKELETON_DELETE, &[repo_id.into(), path(key).into()])?;
            }
            put_entries(transaction, repo_id, &changes.puts)
        }
        SkeletonWrite::Replace(entries) => {
            execute(transaction, SKELETON_CLEAR, &[repo_id.into()])?;
            put_entries(transaction, repo_id, entries)
        }
    }
}

fn put_entries(transaction: &Transaction<'_>, repo_id: i64, entries: &[SkeletonEntry]) -> rusqlite::Result<()> {
    for SkeletonEntry { record, subtree } in entries {
        let (key, cid) = record.as_ref().map_or(("", None), |(key, cid)| (path(key), Some(cid)));
        let number =
            |of: fn(&SubtreeSummary) -> u64| Parameter::from(subtree.as_ref().map(|subtree| of(subtree).cast_signed()));
        let row = [
            repo_id.into(),
            key.into(),
            cid.into(),
            subtree.as_ref().map(|subtree| &subtree.cid).into(),
            number(|subtree| subtree.records),
            number(|subtree| subtree.nodes),
        ];
        execute(transaction, SKELETON_PUT, &row)?;
    }
    Ok(())
}

/// Paths are made of NSIDs and rkeys, which are ASCII.
fn path(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}
