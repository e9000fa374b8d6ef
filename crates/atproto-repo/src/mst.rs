//! The Merkle Search Tree of a repository (repository spec, "MST Structure"): every record's `collection/rkey` key mapped to
//! the record's CID, in a shape that depends on the contents alone.
//!
//! A [`Tree`] is an immutable snapshot; [`Tree::apply`] returns a new one that shares every untouched node with the old.
//! Every node keeps its encoded block, so that exports and proofs copy bytes and only changed nodes are ever encoded.
//!
//! Of a large tree only the upper layers need be in memory: the [`Gap`]s below are filled in, from the records between two keys, around the
//! keys that are asked for. A tree is made of its skeleton ([`SkeletonEntry`]) without reading the records below.

mod apply;
mod build;
pub(crate) mod codec;
mod cover;
pub(crate) mod edit;
mod error;
mod find;
mod gap;
pub(crate) mod key;
mod node;
mod skeleton;
mod tree;
mod walk;

pub use apply::{Action, Operation};
pub use build::Builder;
pub use cover::{Block, BlockList};
pub use error::MstError;
pub use find::Found;
pub use gap::{Gap, Nearest, Subtree};
pub use key::{KeyError, MAX_KEY_BYTES, MAX_LAYER, common_prefix_length, layer_of};
pub use node::{MAX_NODE_ENTRIES, NotLoaded, SubtreeSummary};
pub use skeleton::{SkeletonChanges, SkeletonEntry};
pub use tree::Tree;
pub use walk::{TreeItem, Walk};
