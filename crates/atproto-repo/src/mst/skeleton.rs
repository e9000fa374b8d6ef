//! Skeletons: the records on the upper layers of a tree and the CIDs of the subtrees between them. A tree can be made of its skeleton
//! without reading the records below, which are all but one in 4^layer.

use super::build::Builder;
use super::error::MstError;
use super::key::layer_of;
use super::node::{Node, NotLoaded, SubtreeSummary, own_cid};
use super::tree::Tree;
use atproto_data::Cid;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

/// A piece of a skeleton: a record on an upper layer, and what lies between it and the next such record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkeletonEntry {
    /// Key and CID of the record; none for what lies before the first.
    pub record: Option<(Box<[u8]>, Cid)>,
    /// The subtree behind it.
    pub subtree: Option<SubtreeSummary>,
}

/// What operations changed in a skeleton.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkeletonChanges {
    /// Entries that are new or may differ, in order; each takes the place of one with the same key.
    pub puts: Vec<SkeletonEntry>,
    /// Keys of entries that are no more.
    pub deletes: Vec<Box<[u8]>>,
}

impl Tree {
    /// Whether the tree has a skeleton from `layer` up: a record on that layer or above.
    pub fn has_skeleton(&self, layer: u8) -> bool {
        self.root.layer() >= layer && !self.is_empty()
    }

    /// The tree with gaps in place of all subtrees under `layer`; itself if it has no skeleton there.
    #[must_use]
    pub fn cut(&self, layer: u8) -> Tree {
        if !self.has_skeleton(layer) {
            return self.clone();
        }
        Tree {
            root: self.root.cut(layer),
        }
    }

    /// The tree of a skeleton from `layer` up, with a gap for every subtree. Whether it is the right one its root tells.
    ///
    /// # Errors
    /// [`MstError::Mismatch`] if the entries are no skeleton from that layer, and those of [`Tree::from_sorted`].
    pub fn from_skeleton(entries: impl IntoIterator<Item = SkeletonEntry>, layer: u8) -> Result<Tree, MstError> {
        let under = layer.checked_sub(1).ok_or(MstError::Mismatch)?;
        let mut builder = Builder::above(layer);
        for SkeletonEntry { record, subtree } in entries {
            if let Some((key, cid)) = record {
                builder.push(&key, cid)?;
            }
            builder.push_below(subtree.map(|summary| Node::unloaded(under, &summary)));
        }
        if builder.pushed() == 0 {
            return Err(MstError::Mismatch);
        }
        builder.finish()
    }

    /// The whole skeleton from `layer` up, in order; nothing if the tree has none.
    ///
    /// # Errors
    /// [`NotLoaded`] if there are gaps on these layers.
    pub fn skeleton(&self, layer: u8) -> Result<Vec<SkeletonEntry>, NotLoaded> {
        let mut entries = Vec::new();
        if self.has_skeleton(layer) {
            let before_all = SkeletonEntry {
                record: None,
                subtree: None,
            };
            entries.push(before_all);
            collect(&self.root, layer, &mut entries)?;
        }
        Ok(entries)
    }

    /// What operations on some keys, of which this tree is the result, changed in the skeleton from `layer` up.
    ///
    /// # Errors
    /// [`NotLoaded`] if there are gaps on these layers.
    pub fn skeleton_changes<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        layer: u8,
    ) -> Result<SkeletonChanges, NotLoaded> {
        let mut puts = BTreeMap::new();
        let mut deletes = Vec::new();
        let mut put = |entry: SkeletonEntry| {
            let key = entry.record.as_ref().map(|(key, _)| key.clone());
            puts.insert(key, entry);
        };
        for key in keys {
            let key = key.as_ref();
            put(self.skeleton_entry(layer, |entry| entry <= key)?);
            if layer_of(key) >= layer {
                // It parted what is one subtree without it.
                put(self.skeleton_entry(layer, |entry| entry < key)?);
                deletes.push(key.into());
            }
        }
        deletes.retain(|key| !puts.contains_key(&Some(Box::clone(key))));
        Ok(SkeletonChanges {
            puts: puts.into_values().collect(),
            deletes,
        })
    }

    /// The last entry whose key is before a place.
    fn skeleton_entry(&self, layer: u8, is_before: impl Fn(&[u8]) -> bool) -> Result<SkeletonEntry, NotLoaded> {
        let mut found = SkeletonEntry {
            record: None,
            subtree: None,
        };
        let mut next = Some(&self.root);
        while let Some(node) = next {
            if node.layer() < layer {
                found.subtree = Some(node.summary());
                break;
            }
            let loaded = node.loaded()?;
            let mut child = 0;
            let mut key: Vec<u8> = Vec::new();
            for entry in loaded.entries() {
                key.truncate(entry.prefix);
                key.extend_from_slice(entry.suffix);
                if !is_before(&key) {
                    break;
                }
                found.record = Some((key.as_slice().into(), own_cid(entry.value)));
                child += 1;
            }
            next = loaded.child(child);
        }
        Ok(found)
    }
}

/// Adds the entries of a subtree, whose top is not below `layer`.
fn collect(node: &Arc<Node>, layer: u8, entries: &mut Vec<SkeletonEntry>) -> Result<(), NotLoaded> {
    let loaded = node.loaded()?;
    let mut key: Vec<u8> = Vec::new();
    let mut own = loaded.entries();
    for index in 0.. {
        match loaded.child(index) {
            Some(child) if child.layer() >= layer => collect(child, layer, entries)?,
            Some(child) => {
                if let Some(last) = entries.last_mut() {
                    last.subtree = Some(child.summary());
                }
            }
            None => {}
        }
        let Some(entry) = own.next() else { break };
        key.truncate(entry.prefix);
        key.extend_from_slice(entry.suffix);
        entries.push(SkeletonEntry {
            record: Some((key.as_slice().into(), own_cid(entry.value))),
            subtree: None,
        });
    }
    Ok(())
}

impl Node {
    /// The node with gaps in place of all subtrees under `layer`; a gap itself if it is below.
    pub(super) fn cut(self: &Arc<Node>, layer: u8) -> Arc<Node> {
        match self.loaded() {
            Ok(loaded) if self.layer() >= layer => {
                let cut = self.over_children(loaded, |_, child| Ok::<_, Infallible>(child.cut(layer)));
                cut.unwrap_or_else(|never| match never {})
            }
            _ => Node::unloaded(self.layer(), &self.summary()),
        }
    }
}
