//! The tree as a snapshot.

use super::error::MstError;
use super::node::{Node, Seek};
use atproto_data::Cid;
use std::sync::Arc;

/// An immutable snapshot of a repository's tree. Cloning copies one pointer; trees made from one another share nodes.
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
        self.root.records()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory the whole tree takes, shared nodes included. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.root.heap_bytes()
    }

    /// The CID of the record at `key`.
    pub fn get(&self, key: &[u8]) -> Option<Cid> {
        let mut node = &self.root;
        loop {
            match node.seek(key) {
                Seek::Found { value, .. } => return Some(value),
                Seek::Absent { child } => node = node.child(child)?,
            }
        }
    }

    /// Builds the tree of records given in strictly increasing order of their keys, in one pass.
    ///
    /// # Errors
    /// [`MstError::Key`], [`MstError::NotSorted`], [`MstError::TooWide`], [`MstError::TooDeep`].
    pub fn from_sorted<K: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, Cid)>) -> Result<Tree, MstError> {
        super::build::from_sorted(pairs)
    }
}
