//! Finding what a CID names.

use super::gap::{Gap, Subtree};
use super::tree::Tree;
use super::walk::TreeItem;
use atproto_data::Cid;
use std::collections::{HashMap, HashSet};

/// What a CID names in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A node: its block.
    Node(Box<[u8]>),
    /// A record, by the first of the keys it is at.
    Record {
        /// The record's `collection/rkey`.
        key: Box<[u8]>,
    },
}

impl Tree {
    /// What the wanted CIDs name (`com.atproto.sync.getBlocks`), in one walk that ends when all are found; those that name
    /// nothing here are left out. `load` gives the subtrees of gaps, which are dropped when the walk is through them.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn find<E>(
        &self,
        wanted: &HashSet<Cid>,
        mut load: impl FnMut(&Gap) -> Result<Subtree, E>,
    ) -> Result<HashMap<Cid, Found>, E> {
        let mut found = HashMap::new();
        let mut walk = self.blocks();
        while found.len() < wanted.len() {
            let Some(item) = walk.advance() else { break };
            match item {
                TreeItem::Node { cid, bytes } if wanted.contains(&cid) => {
                    found.insert(cid, Found::Node(bytes.into()));
                }
                TreeItem::Leaf { cid, key } if wanted.contains(&cid) => {
                    found.entry(cid).or_insert_with(|| Found::Record { key: key.into() });
                }
                TreeItem::Node { .. } | TreeItem::Leaf { .. } => {}
                TreeItem::Gap(gap) => {
                    let subtree = load(gap)?;
                    walk.enter(subtree);
                }
            }
        }
        Ok(found)
    }
}
