//! The tree as a snapshot.

use super::build::Builder;
use super::error::MstError;
use super::node::{Node, NotLoaded, Seek};
use atproto_data::Cid;
use std::sync::Arc;

/// An immutable snapshot of a repository's tree. Cloning copies one pointer; trees made from one another share nodes. Subtrees may be
/// gaps, of which only the CID is known; what needs one of them says so.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) root: Arc<Node>,
}

impl Tree {
    /// The tree without records: one node without entries.
    pub fn empty() -> Tree {
        match Node::new(0, std::iter::empty(), Vec::new(), &mut Vec::new()) {
            Ok(root) => Tree { root },
            Err(_) => unreachable!("a node without entries is not too wide"),
        }
    }

    /// The CID of the top node: what a commit names as `data`.
    pub fn root(&self) -> Cid {
        *self.root.cid()
    }

    /// How many records there are. O(1).
    pub fn len(&self) -> u64 {
        self.root.summary().records
    }

    /// How many nodes there are. O(1).
    pub fn node_count(&self) -> u64 {
        self.root.summary().nodes
    }

    /// Whether the tree has no gaps. O(1).
    pub fn is_whole(&self) -> bool {
        self.root.is_whole()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that what is loaded takes, nodes shared with other trees included. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.root.heap_bytes()
    }

    /// The CID of the record at `key`.
    ///
    /// # Errors
    /// [`NotLoaded`] if that cannot be told without a subtree that is not loaded.
    pub fn get(&self, key: &[u8]) -> Result<Option<Cid>, NotLoaded> {
        let mut node = &self.root;
        loop {
            let loaded = node.loaded()?;
            node = match loaded.seek(key) {
                Seek::Found { value, .. } => return Ok(Some(value)),
                Seek::Absent { child } => match loaded.child(child) {
                    Some(child) => child,
                    None => return Ok(None),
                },
            }
        }
    }

    /// Builds the tree of records given in strictly increasing order of their keys, in one pass.
    ///
    /// # Errors
    /// [`MstError::Key`], [`MstError::NotSorted`], [`MstError::TooWide`], [`MstError::TooDeep`].
    pub fn from_sorted<K: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, Cid)>) -> Result<Tree, MstError> {
        let mut builder = Builder::new();
        for (key, cid) in pairs {
            builder.push(key.as_ref(), cid)?;
        }
        builder.finish()
    }
}
