//! A tree of which only some blocks are at hand.

use super::node::{DecodedNode, NodeError};
use crate::mst::codec;
use crate::mst::edit::{Closed, EditError, Editor, Entry, Link, OpenNode};
use atproto_data::Cid;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Which block of a partial tree breaks which rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MST node {cid}: {rule}")]
pub struct PartialTreeError {
    /// The node.
    pub cid: Cid,
    /// What is wrong with it.
    pub rule: PartialTreeRule,
}

/// What may be wrong with a node in its place in a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialTreeRule {
    /// The node by itself is invalid.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The root's block is not there.
    #[error("the root's block is absent")]
    RootAbsent,
    /// The node is not on the layer directly below its parent's.
    #[error("is not on the layer below its parent's")]
    WrongLayer,
    /// A key is outside of the range its parent's keys leave.
    #[error("holds a key outside of its place between its parent's keys")]
    OutOfRange,
    /// A node without entries is the root, though it has a subtree, or is another node and has none.
    #[error("has no entries where it must have some")]
    Empty,
}

/// A node whose block was not given.
pub(super) struct Unloaded(Cid);

impl Closed for Unloaded {
    fn cid(&self) -> &Cid {
        &self.0
    }

    fn open(&self) -> Result<OpenNode<Self>, Cid> {
        Err(self.0)
    }
}

/// The place of a node in its tree.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// `None` for the root, whose layer its keys give.
    pub(super) layer: Option<u8>,
    /// All keys are greater.
    pub(super) after: Option<&'a [u8]>,
    /// All keys are less.
    pub(super) before: Option<&'a [u8]>,
}

/// The nodes that blocks give of the tree under one root, all checked, open for editing.
pub(super) struct PartialTree {
    editor: Editor<Unloaded>,
}

impl PartialTree {
    /// Loads what `blocks` hold of the tree under `root`; blocks that are not nodes of it are left alone. Whether the blocks
    /// match their CIDs is the caller's duty (the CAR reader checks it).
    pub(super) fn load<S: BuildHasher>(
        blocks: &HashMap<Cid, Vec<u8>, S>,
        root: Cid,
    ) -> Result<PartialTree, PartialTreeError> {
        match load_node(
            blocks,
            root,
            Place {
                layer: None,
                after: None,
                before: None,
            },
        )? {
            Link::Closed(_) => Err(PartialTreeError {
                cid: root,
                rule: PartialTreeRule::RootAbsent,
            }),
            Link::Open(node) if node.entries.is_empty() => Ok(PartialTree {
                editor: Editor { root: None },
            }),
            Link::Open(node) => Ok(PartialTree {
                editor: Editor { root: Some(*node) },
            }),
        }
    }

    pub(super) fn create(&mut self, key: &[u8], value: Cid) -> Result<(), EditError> {
        self.editor.create(key, value)
    }

    pub(super) fn update(&mut self, key: &[u8], value: Cid) -> Result<Cid, EditError> {
        self.editor.update(key, value)
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> Result<Cid, EditError> {
        self.editor.delete(key)
    }

    /// The CID of the tree's root as it is now.
    pub(super) fn root(&self) -> Cid {
        match &self.editor.root {
            Some(root) => hash(root),
            None => hash(&OpenNode::<Unloaded> {
                layer: 0,
                entries: Vec::new(),
                children: vec![None],
            }),
        }
    }
}

/// Loads a node and what there is below it. Every level goes down one layer, so this ends.
fn load_node<S: BuildHasher>(
    blocks: &HashMap<Cid, Vec<u8>, S>,
    cid: Cid,
    place: Place<'_>,
) -> Result<Link<Unloaded>, PartialTreeError> {
    let Some(block) = blocks.get(&cid) else {
        return Ok(Link::Closed(Unloaded(cid)));
    };
    let invalid = |rule: PartialTreeRule| PartialTreeError { cid, rule };
    let node = DecodedNode::decode(block).map_err(|error| invalid(error.into()))?;
    let layer = check_place(&node, place).map_err(invalid)?;
    let links: Vec<Option<Cid>> = node.children().collect();
    let entries: Vec<Entry> = node
        .entries
        .into_iter()
        .map(|entry| Entry {
            key: entry.key,
            value: entry.value,
        })
        .collect();
    let mut children = Vec::with_capacity(links.len());
    for (index, link) in links.into_iter().enumerate() {
        let after = index.checked_sub(1).map(|before| &*entries[before].key).or(place.after);
        let before = entries.get(index).map(|entry| &*entry.key).or(place.before);
        // A node on layer 0 with links was refused above.
        let place = Place {
            layer: Some(layer.saturating_sub(1)),
            after,
            before,
        };
        children.push(link.map(|link| load_node(blocks, link, place)).transpose()?);
    }
    Ok(Link::Open(Box::new(OpenNode {
        layer,
        entries,
        children,
    })))
}

/// Checks a node against its place and returns its layer.
pub(super) fn check_place(node: &DecodedNode, place: Place<'_>) -> Result<u8, PartialTreeRule> {
    let layer = match (place.layer, node.layer) {
        (None, Some(layer)) => layer,
        (None, None) if node.left.is_none() => 0,
        (Some(expected), Some(layer)) if layer == expected => layer,
        (Some(expected), None) if node.left.is_some() && expected > 0 => expected,
        (Some(_), Some(_)) => return Err(PartialTreeRule::WrongLayer),
        (_, None) => return Err(PartialTreeRule::Empty),
    };
    let first = node.entries.first().map(|entry| &*entry.key);
    let last = node.entries.last().map(|entry| &*entry.key);
    let too_early = first.zip(place.after).is_some_and(|(first, after)| first <= after);
    let too_late = last.zip(place.before).is_some_and(|(last, before)| last >= before);
    if too_early || too_late {
        Err(PartialTreeRule::OutOfRange)
    } else {
        Ok(layer)
    }
}

/// The CID of an open node; closed ones below keep theirs.
fn hash(node: &OpenNode<Unloaded>) -> Cid {
    let children: Vec<Option<Cid>> = node
        .children
        .iter()
        .map(|child| {
            child.as_ref().map(|child| match child {
                Link::Closed(closed) => *closed.cid(),
                Link::Open(open) => hash(open),
            })
        })
        .collect();
    let mut block = Vec::new();
    let entries = node.entries.iter().map(|entry| (&*entry.key, &entry.value));
    codec::encode(&mut block, entries, |index| children.get(index)?.as_ref());
    Cid::of_dag_cbor(&block)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::mst::layer_of;

    type Blocks = HashMap<Cid, Vec<u8>>;

    /// Adds a node's block and returns its CID.
    fn add(blocks: &mut Blocks, keys: &[Vec<u8>], children: &[Option<Cid>]) -> Cid {
        let value = Cid::of_dag_cbor(b"value");
        let mut block = Vec::new();
        let entries = keys.iter().map(|key| (key.as_slice(), &value));
        codec::encode(&mut block, entries, |index| children.get(index)?.as_ref());
        let cid = Cid::of_dag_cbor(&block);
        blocks.insert(cid, block);
        cid
    }

    fn key_on(layer: u8, prefix: &str) -> Vec<u8> {
        (0..100_000_u32)
            .map(|number| format!("{prefix}{number}").into_bytes())
            .find(|key| layer_of(key) == layer)
            .unwrap()
    }

    /// What loading finds wrong with a root on layer 2 whose left child has these keys and this left child.
    fn rule(child_keys: &[Vec<u8>], grandchild: Option<Cid>) -> Option<PartialTreeRule> {
        let mut blocks = Blocks::new();
        let child = add(&mut blocks, child_keys, &[grandchild]);
        let root = add(&mut blocks, &[key_on(2, "m/")], &[Some(child)]);
        PartialTree::load(&blocks, root).err().map(|error| error.rule)
    }

    #[test]
    fn nodes_must_fit_their_place() {
        let somewhere = Some(Cid::of_dag_cbor(b"not given"));
        assert_eq!(rule(&[key_on(1, "a/")], None), None);
        assert_eq!(rule(&[], somewhere), None);
        assert_eq!(rule(&[], None), Some(PartialTreeRule::Empty));
        assert_eq!(rule(&[key_on(0, "a/")], None), Some(PartialTreeRule::WrongLayer));
        assert_eq!(rule(&[key_on(2, "a/")], None), Some(PartialTreeRule::WrongLayer));
        assert_eq!(rule(&[key_on(1, "z/")], None), Some(PartialTreeRule::OutOfRange));
    }

    #[test]
    fn a_root_needs_entries_unless_the_tree_is_empty() {
        let mut blocks = Blocks::new();
        let empty = add(&mut blocks, &[], &[]);
        let untrimmed = add(&mut blocks, &[], &[Some(empty)]);
        assert_eq!(PartialTree::load(&blocks, empty).unwrap().root(), empty);
        let error = |root| PartialTree::load(&blocks, root).err().unwrap();
        assert_eq!(error(untrimmed).rule, PartialTreeRule::Empty);
        assert_eq!(error(Cid::of_dag_cbor(b"absent")).rule, PartialTreeRule::RootAbsent);
    }
}
