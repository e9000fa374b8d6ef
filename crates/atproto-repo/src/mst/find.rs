//! Finding what a CID names.

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
    /// nothing here are left out.
    pub fn find(&self, wanted: &HashSet<Cid>) -> HashMap<Cid, Found> {
        let mut found = HashMap::new();
        let mut walk = self.blocks();
        while found.len() < wanted.len() {
            let Some(item) = walk.advance() else { break };
            let (TreeItem::Node { cid, .. } | TreeItem::Leaf { cid, .. }) = item;
            if wanted.contains(&cid) {
                found.entry(cid).or_insert_with(|| match item {
                    TreeItem::Node { bytes, .. } => Found::Node(bytes.into()),
                    TreeItem::Leaf { key, .. } => Found::Record { key: key.into() },
                });
            }
        }
        found
    }
}
