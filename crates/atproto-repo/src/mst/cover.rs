//! The nodes that prove what a tree holds at some keys, and what an event must carry.

use super::node::{Loaded, Node, NotLoaded, Seek};
use super::tree::Tree;
use atproto_data::Cid;
use std::collections::HashSet;
use std::sync::Arc;

/// A block and its CID, borrowed from a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The CID of `bytes`.
    pub cid: &'a Cid,
    /// An encoded node.
    pub bytes: &'a [u8],
}

/// Blocks of a tree, each once, a node before those below it.
#[derive(Clone, Debug, Default)]
pub struct BlockList<'a> {
    blocks: Vec<Block<'a>>,
    seen: HashSet<&'a Cid>,
}

impl<'a> BlockList<'a> {
    /// The blocks in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Block<'a>> {
        self.blocks.iter().copied()
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether a block is in the list.
    pub fn contains(&self, cid: &Cid) -> bool {
        self.seen.contains(cid)
    }

    /// The bytes of all blocks together.
    pub fn total_bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes.len()).sum()
    }

    /// Adds a node and returns what it holds.
    fn push(&mut self, node: &'a Node) -> Result<&'a Loaded, NotLoaded> {
        let loaded = node.loaded()?;
        if self.seen.insert(node.cid()) {
            self.blocks.push(block_of(node, loaded));
        }
        Ok(loaded)
    }

    /// Adds a subtree's nodes along its first or last keys.
    fn push_edge(
        &mut self,
        mut subtree: Option<&'a Arc<Node>>,
        below: impl Fn(&'a Loaded) -> Option<&'a Arc<Node>>,
    ) -> Result<(), NotLoaded> {
        while let Some(node) = subtree {
            subtree = below(self.push(node)?);
        }
        Ok(())
    }
}

fn block_of<'a>(node: &'a Node, loaded: &'a Loaded) -> Block<'a> {
    Block {
        cid: node.cid(),
        bytes: loaded.block(),
    }
}

impl Tree {
    /// The MST blocks a `#commit` event must carry, called on the tree *after* the commit with every key it created, updated or
    /// deleted: the nodes on the way to each key, present or absent, and to its left and right neighbour (sync 1.1).
    ///
    /// These contain every node that the tree before the commit did not have: a node's contents follow from the keys in its
    /// range and the two keys around it, so a new one has a touched key in its range, or between it and a neighbour. And they
    /// suffice to undo the operations: a delete joins nodes along the ways to both neighbours, a create splits along the way
    /// to the key. The root is there even without a key: a strict reader takes a commit without it for one that lacks blocks.
    ///
    /// # Errors
    /// [`NotLoaded`] if there is a gap around one of the keys.
    pub fn covering_blocks<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<BlockList<'_>, NotLoaded> {
        let mut list = BlockList::default();
        list.push(&self.root)?;
        for key in keys {
            self.cover(key.as_ref(), &mut list)?;
        }
        Ok(list)
    }

    /// The blocks from the root to the node that holds `key`, or, if there is no such record, to the node that would have the
    /// link to it: a proof of presence or absence (`com.atproto.sync.getRecord`).
    ///
    /// # Errors
    /// [`NotLoaded`] if there is a gap around the key.
    pub fn proof(&self, key: &[u8]) -> Result<Vec<Block<'_>>, NotLoaded> {
        let mut path = Vec::new();
        let mut next = Some(&self.root);
        while let Some(node) = next {
            let loaded = node.loaded()?;
            path.push(block_of(node, loaded));
            next = match loaded.seek(key) {
                Seek::Found { .. } => None,
                Seek::Absent { child } => loaded.child(child),
            };
        }
        Ok(path)
    }

    /// The ways to a key and to both its neighbours. Where the key is absent, or has no subtree beside it, its neighbours are
    /// entries of the nodes on the way to it.
    fn cover<'a>(&'a self, key: &[u8], list: &mut BlockList<'a>) -> Result<(), NotLoaded> {
        let mut next = Some(&self.root);
        while let Some(node) = next {
            let loaded = list.push(node)?;
            next = match loaded.seek(key) {
                Seek::Absent { child } => loaded.child(child),
                Seek::Found { index, .. } => {
                    list.push_edge(loaded.child(index), Loaded::last_child)?;
                    list.push_edge(loaded.child(index + 1), |node| node.child(0))?;
                    None
                }
            };
        }
        Ok(())
    }
}
