//! Applying operations to a tree.

use super::edit::{Closed, EditError, Editor, Link, OpenNode};
use super::error::{MstError, shown};
use super::key::{MAX_LAYER, check_key, layer_of};
use super::node::{Node, NotLoaded};
use super::tree::Tree;
use atproto_data::Cid;
use std::sync::Arc;

/// Most blocks are no longer.
const BLOCK_BYTES: usize = 1_024;

/// What happens to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The record is new, with this CID.
    Create(Cid),
    /// The record is there and gets this CID.
    Update(Cid),
    /// The record is there and goes.
    Delete,
}

/// One change of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The record's `collection/rkey`.
    pub key: Vec<u8>,
    /// What happens to the record.
    pub action: Action,
}

impl Tree {
    /// The tree after all operations, made in order; this one stays as it is. Only nodes of the resulting tree are encoded
    /// and hashed, however many operations there are.
    ///
    /// # Errors
    /// [`MstError::Exists`] for a create of what is there, [`MstError::Missing`] for an update or delete of what is not;
    /// [`MstError::Key`], [`MstError::TooDeep`] and [`MstError::TooWide`] for what no tree may hold; [`MstError::NotLoaded`] if there is a
    /// gap around one of the keys.
    pub fn apply(&self, operations: &[Operation]) -> Result<Tree, MstError> {
        if operations.is_empty() {
            return Ok(self.clone());
        }
        let mut editor = Editor { root: None };
        if !self.is_empty() {
            editor.root = Some(self.root.open().map_err(|cid| NotLoaded { cid })?);
        }
        for operation in operations {
            edit(&mut editor, operation)?;
        }
        match editor.root {
            None => Ok(Tree::empty()),
            Some(root) => Ok(Tree {
                root: close(root, &mut Vec::with_capacity(BLOCK_BYTES))?,
            }),
        }
    }
}

fn edit(editor: &mut Editor<Arc<Node>>, Operation { key, action }: &Operation) -> Result<(), MstError> {
    let done = match action {
        Action::Create(value) => {
            check_key(key).map_err(|reason| MstError::Key {
                key: shown(key),
                reason,
            })?;
            let layer = layer_of(key);
            if layer > MAX_LAYER {
                return Err(MstError::TooDeep { key: shown(key), layer });
            }
            editor.create(key, *value)
        }
        Action::Update(value) => editor.update(key, *value).map(drop),
        Action::Delete => editor.delete(key).map(drop),
    };
    done.map_err(|error| match error {
        EditError::Exists => MstError::Exists { key: shown(key) },
        EditError::Missing => MstError::Missing { key: shown(key) },
        EditError::BlockAbsent(cid) => NotLoaded { cid }.into(),
    })
}

/// Encodes an open node over its closed children.
fn close(node: OpenNode<Arc<Node>>, scratch: &mut Vec<u8>) -> Result<Arc<Node>, MstError> {
    let mut children = Vec::with_capacity(node.children.len());
    for child in node.children {
        children.push(match child {
            None => None,
            Some(Link::Closed(child)) => Some(child),
            Some(Link::Open(child)) => Some(close(*child, scratch)?),
        });
    }
    let entries = node.entries.iter().map(|entry| (&*entry.key, &entry.value));
    Node::new(node.layer, entries, children, scratch)
}
