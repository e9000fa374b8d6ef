//! What a strict consumer checks, from blocks it does not trust: the shape of nodes, and that a `#commit` event's operations,
//! undone on the blocks it carries, lead back to the tree before (sync 1.1, "Commit Validation").

mod inversion;
mod node;
mod partial_tree;
mod tree_walk;

pub use inversion::{InversionError, invert};
pub use node::{DecodedEntry, DecodedNode, NodeError};
pub use partial_tree::{PartialTreeError, PartialTreeRule};
pub use tree_walk::{TreeStep, TreeWalk};
