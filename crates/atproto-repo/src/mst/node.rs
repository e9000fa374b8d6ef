//! A node of a tree in memory.

use super::codec::{self, RawEntry, Reader};
use super::edit::{Closed, Entry, Link, OpenNode};
use super::error::MstError;
use super::key::common_prefix_length;
use atproto_data::Cid;
use std::cmp::Ordering;
use std::sync::Arc;

/// The most entries of one node. An honest repository of 10 million records goes beyond with probability 10⁻³²; a wider one
/// was mined to make every write to the node expensive.
pub const MAX_NODE_ENTRIES: usize = 308;

/// What an allocation costs beside the bytes asked for.
const ALLOCATION_BYTES: usize = 16;
/// A node with the two counts of its `Arc`.
const NODE_BYTES: usize = size_of::<Node>() + size_of::<[usize; 2]>() + ALLOCATION_BYTES;

/// An immutable node: its block as encoded, and the subtrees its links name; or only what is known of one that is not loaded.
#[derive(Debug)]
pub(crate) struct Node {
    cid: Cid,
    layer: u8,
    /// Whether this node and all below it are loaded.
    is_whole: bool,
    /// Records in this node and below.
    records: u64,
    /// Nodes: this one and those below.
    nodes: u64,
    /// Bytes of memory of this node and below.
    heap_bytes: usize,
    loaded: Option<Loaded>,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    block: Box<[u8]>,
    /// The subtree before entry 0, then the one after each entry; empty if there are none at all.
    children: Box<[Option<Arc<Node>>]>,
}

/// What is known of a subtree that is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubtreeSummary {
    /// The CID of its top node.
    pub cid: Cid,
    /// How many records it has.
    pub records: u64,
    /// How many nodes it has.
    pub nodes: u64,
}

/// An operation came to a subtree that is not loaded: it has to be filled in first ([`Tree::gaps`](super::Tree::gaps)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the subtree {cid} is not loaded; fill in the gaps around the keys first")]
pub struct NotLoaded {
    /// The CID of the subtree's top node.
    pub cid: Cid,
}

/// Where a key is, or would be, in one node.
pub(crate) enum Seek {
    /// The key is this entry.
    Found { index: usize, value: Cid },
    /// The key is not in the node; it could only be in this child.
    Absent { child: usize },
}

impl Node {
    /// Encodes and hashes a node. `children` is empty or one longer than `entries`; `scratch` saves allocations.
    pub(crate) fn new<'a>(
        layer: u8,
        entries: impl ExactSizeIterator<Item = (&'a [u8], &'a Cid)>,
        children: Vec<Option<Arc<Node>>>,
        scratch: &mut Vec<u8>,
    ) -> Result<Arc<Node>, MstError> {
        if entries.len() > MAX_NODE_ENTRIES {
            return Err(MstError::TooWide { layer });
        }
        let records = entries.len() as u64;
        let children: Box<[_]> = if children.iter().all(Option::is_none) {
            Box::default()
        } else {
            children.into()
        };
        scratch.clear();
        codec::encode(scratch, entries, |index| Some(&children.get(index)?.as_ref()?.cid));
        let block: Box<[u8]> = scratch.as_slice().into();
        let cid = Cid::of_dag_cbor(&block);
        Ok(Arc::new(Node::over(cid, layer, records, Loaded { block, children })))
    }

    /// A node with `own_records` entries over its children.
    fn over(cid: Cid, layer: u8, own_records: u64, loaded: Loaded) -> Node {
        let mut node = Node {
            cid,
            layer,
            is_whole: true,
            records: own_records,
            nodes: 1,
            heap_bytes: NODE_BYTES + loaded.block.len() + ALLOCATION_BYTES,
            loaded: None,
        };
        for child in loaded.children.iter().flatten() {
            node.is_whole &= child.is_whole;
            node.records += child.records;
            node.nodes += child.nodes;
            node.heap_bytes += child.heap_bytes;
        }
        if !loaded.children.is_empty() {
            node.heap_bytes += size_of_val(&*loaded.children) + ALLOCATION_BYTES;
        }
        node.loaded = Some(loaded);
        node
    }

    /// A subtree that is not loaded, with its top on `layer`.
    pub(crate) fn unloaded(layer: u8, summary: &SubtreeSummary) -> Arc<Node> {
        Arc::new(Node {
            cid: summary.cid,
            layer,
            is_whole: false,
            records: summary.records,
            nodes: summary.nodes,
            heap_bytes: NODE_BYTES,
            loaded: None,
        })
    }

    /// The same node over other children of the same CIDs.
    pub(crate) fn over_children<E>(
        &self,
        loaded: &Loaded,
        mut change: impl FnMut(usize, &Arc<Node>) -> Result<Arc<Node>, E>,
    ) -> Result<Arc<Node>, E> {
        let children = loaded.children.iter().enumerate();
        let children = children.map(|(index, child)| child.as_ref().map(|child| change(index, child)).transpose());
        let children = children.collect::<Result<Box<[_]>, E>>()?;
        let own_records = own_reader(&loaded.block).remaining() as u64;
        let block = loaded.block.clone();
        Ok(Arc::new(Node::over(
            self.cid,
            self.layer,
            own_records,
            Loaded { block, children },
        )))
    }

    /// The CID of the node's block.
    pub(crate) fn cid(&self) -> &Cid {
        &self.cid
    }

    /// How high above the leaves it is.
    pub(crate) fn layer(&self) -> u8 {
        self.layer
    }

    /// Whether the node and all below it are loaded.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What is known of the subtree without its blocks.
    pub(crate) fn summary(&self) -> SubtreeSummary {
        SubtreeSummary {
            cid: self.cid,
            records: self.records,
            nodes: self.nodes,
        }
    }

    /// Bytes of memory of this node and below.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// What the node holds.
    pub(crate) fn loaded(&self) -> Result<&Loaded, NotLoaded> {
        self.loaded.as_ref().ok_or(NotLoaded { cid: self.cid })
    }
}

impl Loaded {
    /// The encoded node.
    pub(crate) fn block(&self) -> &[u8] {
        &self.block
    }

    /// The subtree before entry 0 (child 0) or after entry n (child n + 1).
    pub(crate) fn child(&self, index: usize) -> Option<&Arc<Node>> {
        self.children.get(index)?.as_ref()
    }

    /// The subtree after the last entry.
    pub(crate) fn last_child(&self) -> Option<&Arc<Node>> {
        self.children.last()?.as_ref()
    }

    /// The entries as the block holds them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = RawEntry<'_>> {
        let mut reader = own_reader(&self.block);
        std::iter::from_fn(move || own_entry(&mut reader))
    }

    /// Looks for a key among the entries without rebuilding any: prefixes are maximal, so an entry that shares more with its
    /// predecessor than the key does is smaller than the key too, and one that shares less is greater.
    pub(crate) fn seek(&self, key: &[u8]) -> Seek {
        let mut shared = 0;
        let mut index = 0;
        for entry in self.entries() {
            match entry.prefix.cmp(&shared) {
                Ordering::Greater => {}
                Ordering::Less => break,
                Ordering::Equal => {
                    let rest = &key[shared..];
                    let common = common_prefix_length(entry.suffix, rest);
                    match entry.suffix.get(common).cmp(&rest.get(common)) {
                        Ordering::Equal => {
                            return Seek::Found {
                                index,
                                value: own_cid(entry.value),
                            };
                        }
                        Ordering::Greater => break,
                        Ordering::Less => shared += common,
                    }
                }
            }
            index += 1;
        }
        Seek::Absent { child: index }
    }
}

impl Closed for Arc<Node> {
    fn cid(&self) -> &Cid {
        &self.cid
    }

    fn open(&self) -> Result<OpenNode<Self>, Cid> {
        let loaded = self.loaded().map_err(|missing| missing.cid)?;
        // One more, because an open node mostly gets an entry.
        let mut entries: Vec<Entry> = Vec::with_capacity(own_reader(&loaded.block).remaining() + 1);
        for raw in loaded.entries() {
            let shared = entries.last().map_or(&[][..], |previous| &previous.key[..raw.prefix]);
            entries.push(Entry {
                key: [shared, raw.suffix].concat().into(),
                value: own_cid(raw.value),
            });
        }
        let children = (0..=entries.len())
            .map(|index| loaded.child(index).cloned().map(Link::Closed))
            .collect();
        Ok(OpenNode {
            layer: self.layer,
            entries,
            children,
        })
    }
}

/// A reader of a block this crate encoded.
#[expect(
    clippy::expect_used,
    reason = "every block of a `Node` was written by `codec::encode`"
)]
pub(crate) fn own_reader(block: &[u8]) -> Reader<'_> {
    Reader::new(block).expect("own block")
}

/// The next entry of a block this crate encoded.
#[expect(
    clippy::expect_used,
    reason = "every block of a `Node` was written by `codec::encode`"
)]
pub(crate) fn own_entry<'a>(reader: &mut Reader<'a>) -> Option<RawEntry<'a>> {
    reader.next_entry().expect("own block")
}

/// A link out of a block this crate encoded.
#[expect(
    clippy::expect_used,
    reason = "every block of a `Node` was written by `codec::encode` from CIDs"
)]
pub(crate) fn own_cid(link: &[u8]) -> Cid {
    Cid::from_bytes(link).expect("own block")
}
