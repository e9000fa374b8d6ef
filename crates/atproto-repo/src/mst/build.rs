//! Building a tree bottom-up from sorted records.

use super::error::{MstError, shown};
use super::key::{MAX_LAYER, check_key, layer_of};
use super::node::Node;
use super::tree::Tree;
use atproto_data::Cid;
use std::sync::Arc;

/// The rightmost node of one layer, still growing.
#[derive(Default)]
struct Growing {
    /// The keys of all entries, one after the other.
    keys: Vec<u8>,
    /// Where each entry's key ends in `keys`, and its value.
    entries: Vec<(usize, Cid)>,
    /// The finished subtree before each entry.
    children: Vec<Option<Arc<Node>>>,
}

impl Growing {
    /// Adds a subtree and the entry after it.
    fn push(&mut self, subtree: Option<Arc<Node>>, key: &[u8], value: Cid) {
        self.children.push(subtree);
        self.keys.extend_from_slice(key);
        self.entries.push((self.keys.len(), value));
    }

    /// Finishes the node over its last child and leaves an empty one; `None` if there is nothing in it.
    fn close(
        &mut self,
        layer: u8,
        last_child: Option<Arc<Node>>,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Arc<Node>>, MstError> {
        if self.entries.is_empty() && last_child.is_none() {
            return Ok(None);
        }
        self.children.push(last_child);
        let mut start = 0;
        let entries = self.entries.iter().map(|(end, value)| {
            let key = &self.keys[start..*end];
            start = *end;
            (key, value)
        });
        let node = Node::new(layer, entries, std::mem::take(&mut self.children), scratch)?;
        self.keys.clear();
        self.entries.clear();
        Ok(Some(node))
    }
}

/// See [`Tree::from_sorted`]. A key closes the growing nodes of all layers below its own, and what they hold becomes the
/// subtree before it; the layers that end up with neither entries nor subtree make no node.
pub(crate) fn from_sorted<K: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, Cid)>) -> Result<Tree, MstError> {
    let mut layers: Vec<Growing> = Vec::new();
    let mut scratch = Vec::new();
    let mut previous = Vec::new();
    for (key, value) in pairs {
        let key = key.as_ref();
        check_key(key).map_err(|reason| MstError::Key {
            key: shown(key),
            reason,
        })?;
        if key <= previous.as_slice() {
            return Err(MstError::NotSorted { key: shown(key) });
        }
        previous.clear();
        previous.extend_from_slice(key);
        let layer = layer_of(key);
        if layer > MAX_LAYER {
            return Err(MstError::TooDeep { key: shown(key), layer });
        }
        if layers.len() <= usize::from(layer) {
            layers.resize_with(usize::from(layer) + 1, Growing::default);
        }
        let subtree = close_layers(&mut layers[..usize::from(layer)], &mut scratch)?;
        layers[usize::from(layer)].push(subtree, key, value);
    }
    Ok(close_layers(&mut layers, &mut scratch)?.map_or_else(Tree::empty, |root| Tree { root }))
}

/// Closes the growing nodes of the lowest layers, each over what is below it.
fn close_layers(layers: &mut [Growing], scratch: &mut Vec<u8>) -> Result<Option<Arc<Node>>, MstError> {
    let mut subtree = None;
    for (layer, growing) in (0..=MAX_LAYER).zip(layers) {
        subtree = growing.close(layer, subtree, scratch)?;
    }
    Ok(subtree)
}
