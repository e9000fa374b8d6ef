//! Why a tree cannot be made.

use super::key::{KeyError, MAX_LAYER};
use super::node::{MAX_NODE_ENTRIES, NotLoaded};

/// Why records or operations do not make a tree. Keys are shown as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MstError {
    /// A key has the wrong shape.
    #[error("the key `{key}` {reason}")]
    Key {
        /// The key refused, cut to a printable length.
        key: String,
        /// The rule it breaks.
        reason: KeyError,
    },
    /// A key given to [`Tree::from_sorted`](super::Tree::from_sorted) is not greater than the one before it.
    #[error("the key `{key}` is not greater than the one before it; give the records sorted and without repeats")]
    NotSorted {
        /// The second of the two keys.
        key: String,
    },
    /// A record to be created is there already.
    #[error("a record exists at `{key}`")]
    Exists {
        /// The key of the record.
        key: String,
    },
    /// A record to be updated or deleted is not there.
    #[error("no record at `{key}`")]
    Missing {
        /// The key of the record.
        key: String,
    },
    /// What is needed is not loaded.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// Records or a skeleton do not belong where they were put.
    #[error("the records are not those of the tree, or its skeleton is not one")]
    Mismatch,
    /// A node would be wider than [`MAX_NODE_ENTRIES`].
    #[error("more than {MAX_NODE_ENTRIES} neighbouring keys fall on layer {layer} of the tree; choose another rkey")]
    TooWide {
        /// The node's layer.
        layer: u8,
    },
    /// A key is on a layer above [`MAX_LAYER`].
    #[error("the key `{key}` is on layer {layer} of the tree, above the {MAX_LAYER} allowed; choose another rkey")]
    TooDeep {
        /// The key refused.
        key: String,
        /// Its layer.
        layer: u8,
    },
}

/// How much of a key an error message shows.
const SHOWN_KEY_BYTES: usize = 128;

/// A key as an error message shows it.
pub(crate) fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(&key[..key.len().min(SHOWN_KEY_BYTES)]).into_owned()
}
