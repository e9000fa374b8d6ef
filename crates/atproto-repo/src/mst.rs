//! The Merkle Search Tree of a repository (repository spec, "MST Structure"): every record's `collection/rkey` key mapped to
//! the record's CID, in a shape that depends on the contents alone.
//!
//! A [`Tree`] is an immutable snapshot; [`Tree::apply`] returns a new one that shares every untouched node with the old.
//! Every node keeps its encoded block, so that exports and proofs copy bytes and only changed nodes are ever encoded.

mod apply;
mod build;
pub(crate) mod codec;
mod cover;
pub(crate) mod edit;
mod error;
mod find;
pub(crate) mod key;
mod node;
mod tree;
mod walk;

pub use apply::{Action, Operation};
pub use cover::{Block, BlockList};
pub use error::MstError;
pub use find::Found;
pub use key::{KeyError, MAX_KEY_BYTES, MAX_LAYER, common_prefix_length, layer_of};
pub use node::MAX_NODE_ENTRIES;
pub use tree::Tree;
pub use walk::{Iter, TreeItem, Walk};
