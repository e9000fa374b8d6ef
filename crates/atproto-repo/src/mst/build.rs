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

/// Builds a tree from records given one by one in strictly increasing order of their keys. A key closes the growing nodes of all
/// layers below its own, and what they hold becomes the subtree before it; the layers that end up with neither entries nor subtree make
/// no node.
#[derive(Default)]
pub struct Builder {
    layers: Vec<Growing>,
    /// The lowest layer that grows; what is below comes finished, in `below`.
    base: u8,
    /// The subtree on the layer under `base` that belongs before the next key.
    below: Option<Arc<Node>>,
    /// The layer under which subtrees become gaps.
    cut: Option<u8>,
    previous: Vec<u8>,
    records: u64,
    scratch: Vec<u8>,
}

impl Builder {
    /// Starts an empty tree.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Starts a tree that grows from `base` up, over finished subtrees.
    pub(crate) fn above(base: u8) -> Builder {
        Builder {
            base,
            ..Builder::default()
        }
    }

    /// Gives the subtree that belongs before the next key.
    pub(crate) fn push_below(&mut self, subtree: Option<Arc<Node>>) {
        self.below = subtree;
    }

    /// How many records were pushed.
    pub fn pushed(&self) -> u64 {
        self.records
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// [`MstError::Key`], [`MstError::NotSorted`], [`MstError::TooWide`], [`MstError::TooDeep`].
    pub fn push(&mut self, key: &[u8], value: Cid) -> Result<(), MstError> {
        check_key(key).map_err(|reason| MstError::Key {
            key: shown(key),
            reason,
        })?;
        if key <= self.previous.as_slice() {
            return Err(MstError::NotSorted { key: shown(key) });
        }
        self.previous.clear();
        self.previous.extend_from_slice(key);
        let layer = layer_of(key);
        if layer > MAX_LAYER {
            return Err(MstError::TooDeep { key: shown(key), layer });
        }
        if layer < self.base {
            return Err(MstError::Mismatch);
        }
        self.grow_to(layer);
        let subtree = self.close_below(layer)?;
        self.layers[usize::from(layer)].push(subtree, key, value);
        self.records += 1;
        Ok(())
    }

    /// From now on keeps of the subtrees under a layer only their summaries, so that little memory serves for many records. A tree
    /// without records on that layer or above stays whole.
    pub fn cut(&mut self, layer: u8) {
        self.cut = Some(layer);
        for growing in self.layers.iter_mut().skip(usize::from(layer)) {
            for child in growing.children.iter_mut().flatten() {
                *child = child.cut(layer);
            }
        }
    }

    /// The tree of all records pushed.
    ///
    /// # Errors
    /// [`MstError::TooWide`].
    pub fn finish(mut self) -> Result<Tree, MstError> {
        Ok(self.close_all()?.map_or_else(Tree::empty, |root| Tree { root }))
    }

    /// The top node of all records pushed as a subtree whose top is on `layer`, empty nodes put above if need be.
    pub(crate) fn finish_on(mut self, layer: u8) -> Result<Option<Arc<Node>>, MstError> {
        self.grow_to(layer);
        self.close_all()
    }

    fn grow_to(&mut self, layer: u8) {
        if self.layers.len() <= usize::from(layer) {
            self.layers.resize_with(usize::from(layer) + 1, Growing::default);
        }
    }

    fn close_all(&mut self) -> Result<Option<Arc<Node>>, MstError> {
        // No key is above MAX_LAYER.
        self.close_below(u8::try_from(self.layers.len()).unwrap_or(u8::MAX))
    }

    /// Closes the growing nodes of the layers below one, each over what is below it.
    fn close_below(&mut self, layer: u8) -> Result<Option<Arc<Node>>, MstError> {
        let mut subtree = self.below.take();
        let is_above = |cut: &u8| self.layers.len() > usize::from(*cut);
        let cut = self.cut.filter(is_above);
        for current in self.base..layer {
            subtree = self.layers[usize::from(current)].close(current, subtree, &mut self.scratch)?;
            if cut == Some(current + 1) {
                subtree = subtree.map(|node| Node::unloaded(current, &node.summary()));
            }
        }
        Ok(subtree)
    }
}
