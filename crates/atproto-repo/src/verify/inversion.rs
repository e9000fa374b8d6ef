//! Undoing the operations of a `#commit` event on the blocks it carries.

use super::partial_tree::{PartialTree, PartialTreeError};
use crate::frame::{RepoOp, RepoOpAction};
use crate::mst::edit::EditError;
use atproto_data::Cid;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Why an event's blocks and operations do not lead from the tree before to the tree after.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InversionError {
    /// The blocks are not a valid part of a tree.
    #[error(transparent)]
    Tree(#[from] PartialTreeError),
    /// Undoing an operation needs a block that the event does not carry.
    #[error("undoing the operation on `{path}` needs MST node {cid}, which the event does not carry")]
    BlockAbsent {
        /// The operation's path.
        path: String,
        /// The node needed.
        cid: Cid,
    },
    /// An operation does not have the CIDs its action must have (`cid` unless a delete, `prev` unless a create).
    #[error("the operation on `{path}` has a CID too many or too few for its action")]
    BadOperation {
        /// The operation's path.
        path: String,
    },
    /// The new tree does not hold what an operation says.
    #[error("the tree does not hold at `{path}` what the operation says")]
    Contradiction {
        /// The operation's path.
        path: String,
    },
    /// The tree with all operations undone is not the one before.
    #[error("undoing the operations gives {computed}, not the tree before")]
    WrongPreviousData {
        /// The root computed.
        computed: Cid,
    },
}

/// Loads what `blocks` hold of the tree under `data`, undoes the operations from the last to the first and checks that the
/// result is `prev_data` (for a genesis commit: the root of the empty tree). `blocks` are an event's blocks by CID, hashes
/// already checked.
pub fn invert<S: BuildHasher>(
    blocks: &HashMap<Cid, Vec<u8>, S>,
    data: Cid,
    operations: &[RepoOp],
    prev_data: Cid,
) -> Result<(), InversionError> {
    let mut tree = PartialTree::load(blocks, data)?;
    for operation in operations.iter().rev() {
        undo(&mut tree, operation)?;
    }
    let computed = tree.root();
    if computed == prev_data {
        Ok(())
    } else {
        Err(InversionError::WrongPreviousData { computed })
    }
}

fn undo(tree: &mut PartialTree, operation: &RepoOp) -> Result<(), InversionError> {
    let path = || operation.path.clone();
    let key = operation.path.as_bytes();
    let undone = match (operation.action, operation.cid, operation.prev) {
        (RepoOpAction::Create, Some(cid), None) => tree.delete(key).map(|held| held == cid),
        (RepoOpAction::Update, Some(cid), Some(previous)) => tree.update(key, previous).map(|held| held == cid),
        (RepoOpAction::Delete, None, Some(previous)) => tree.create(key, previous).map(|()| true),
        _ => return Err(InversionError::BadOperation { path: path() }),
    };
    match undone {
        Ok(true) => Ok(()),
        Ok(false) | Err(EditError::Exists | EditError::Missing) => Err(InversionError::Contradiction { path: path() }),
        Err(EditError::BlockAbsent(cid)) => Err(InversionError::BlockAbsent { path: path(), cid }),
    }
}
