//! The stored skeletons of large repos' trees: a cold tree is made of a few thousand rows instead of a million records.
//!
//! A skeleton is derived like the tree itself. It counts only if its root is the one that the head names, so nothing depends on its being
//! there or right; whoever finds none reads all records and stores a new one.

use std::sync::Arc;

use atproto_data::Cid;
use atproto_repo::mst::{NotLoaded, SkeletonChanges, SkeletonEntry, SubtreeSummary, Tree};

use super::load::cid_column;
use super::{LoadedRepo, Repos};
use crate::store::{Columns as _, Found, SkeletonWrite, Snapshot, StoreError};

/// Which repos have a skeleton, and which part of the tree it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct SkeletonRule {
    /// The lowest layer in it: of 4^layer records one is there.
    pub(super) layer: u8,
    /// From so many records on, a repo has one.
    pub(super) from_records: u64,
}

impl SkeletonRule {
    /// What is used outside tests. A subtree under layer 4 has 256 records on average, and a repo of a million some 3,900 of them: what
    /// is read for the skeleton and what is read for a subtree are about the same.
    pub(super) const DEFAULT: SkeletonRule = SkeletonRule {
        layer: 4,
        from_records: 20_000,
    };
}

/// Rows that are stored in one transaction: other writers wait no longer than that.
const CHUNK_ENTRIES: usize = 500;

const ENTRIES: &str = "SELECT path, cid, subtree_cid, subtree_records, subtree_nodes FROM repo_skeleton \
     WHERE repo_id = $1 ORDER BY path";

/// The tree of the stored skeleton, if there is one of the tree with this root.
pub(super) fn load(snapshot: &Snapshot, repo_id: i64, layer: u8, root: Cid) -> Result<Option<Tree>, StoreError> {
    let entries = snapshot.all(ENTRIES, &[repo_id.into()], entry)?;
    if entries.is_empty() {
        return Ok(None);
    }
    let tree = Tree::from_skeleton(entries, layer).ok();
    let tree = tree.filter(|tree| tree.root() == root);
    if tree.is_none() {
        tracing::warn!(
            repo_id,
            "the stored skeleton of a repo is not that of its head and is made anew"
        );
    }
    Ok(tree)
}

fn entry(row: &Found<'_>) -> Result<SkeletonEntry, StoreError> {
    let cid = |index| {
        row.column::<Option<Vec<u8>>>(index)?
            .as_deref()
            .map(cid_column)
            .transpose()
    };
    let number = |index| Ok::<_, StoreError>(row.column::<Option<i64>>(index)?.unwrap_or_default().unsigned_abs());
    let (records, nodes) = (number(3)?, number(4)?);
    Ok(SkeletonEntry {
        record: cid(1)?
            .map(|cid| Ok::<_, StoreError>((row.text(0)?.as_bytes().into(), cid)))
            .transpose()?,
        subtree: cid(2)?.map(|cid| SubtreeSummary { cid, records, nodes }),
    })
}

impl Repos {
    /// The repo with its skeleton stored, if it is large. The caller holds the repo's lock.
    pub(super) async fn with_skeleton(&self, repo_id: i64, repo: Arc<LoadedRepo>) -> Arc<LoadedRepo> {
        let rule = self.0.skeleton_rule;
        let is_large = repo.tree.len() >= rule.from_records && repo.tree.has_skeleton(rule.layer);
        if repo.is_skeleton_stored || !is_large {
            return repo;
        }
        match self.store_skeleton(repo_id, &repo.tree).await {
            Ok(()) => Arc::new(LoadedRepo {
                is_skeleton_stored: true,
                ..LoadedRepo::clone(&repo)
            }),
            Err(error) => {
                // Everything goes on without, only slower.
                tracing::warn!(repo_id, %error, "the skeleton of a large repo was not stored");
                repo
            }
        }
    }

    /// Stores a whole skeleton. What a crash leaves of it does not match the head.
    async fn store_skeleton(&self, repo_id: i64, tree: &Tree) -> Result<(), StoreError> {
        let entries = tree.skeleton(self.0.skeleton_rule.layer);
        let entries = entries.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let mut chunks = entries.chunks(CHUNK_ENTRIES).map(<[SkeletonEntry]>::to_vec);
        let first = SkeletonWrite::Replace(chunks.next().unwrap_or_default());
        let more = chunks.map(|puts| {
            SkeletonWrite::Change(SkeletonChanges {
                puts,
                deletes: Vec::new(),
            })
        });
        for write in std::iter::once(first).chain(more) {
            self.0.store.put_skeleton(repo_id, write).await?;
        }
        Ok(())
    }

    /// What operations on some keys, of which `tree` is the result, change in the stored skeleton, and whether one is stored then.
    pub(super) fn skeleton_write<K: AsRef<[u8]>>(
        &self,
        old: &LoadedRepo,
        tree: &Tree,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(SkeletonWrite, bool), NotLoaded> {
        let layer = self.0.skeleton_rule.layer;
        if !old.is_skeleton_stored {
            Ok((SkeletonWrite::default(), false))
        } else if tree.has_skeleton(layer) {
            Ok((SkeletonWrite::Change(tree.skeleton_changes(keys, layer)?), true))
        } else {
            Ok((SkeletonWrite::Replace(Vec::new()), false))
        }
    }

    /// Keeps a repo that a write used in the cache: of a tree that takes more than its share, the skeleton.
    pub(super) fn keep_written(&self, repo_id: i64, mut repo: Arc<LoadedRepo>) {
        if repo.is_skeleton_stored && !self.0.trees.is_within_share(&repo) {
            let tree = repo.tree.cut(self.0.skeleton_rule.layer);
            repo = Arc::new(LoadedRepo {
                tree,
                ..LoadedRepo::clone(&repo)
            });
        }
        self.0.trees.keep(repo_id, repo);
    }
}
