//! Walking a tree in key order.

use super::codec::{Position, Reader};
use super::gap::{Gap, Subtree};
use super::node::{Loaded, Node, NotLoaded, own_cid, own_entry, own_reader};
use super::tree::Tree;
use atproto_data::Cid;
use std::sync::Arc;

/// One stop of a [`Walk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeItem<'a> {
    /// A node, before everything below it.
    Node {
        /// The CID of the block.
        cid: Cid,
        /// The encoded node.
        bytes: &'a [u8],
    },
    /// A record.
    Leaf {
        /// The record's `collection/rkey`.
        key: &'a [u8],
        /// The record's CID.
        cid: Cid,
    },
    /// A subtree that is not loaded. The walk goes on behind it, unless [`Walk::enter`] gives it the subtree.
    Gap(&'a Gap),
}

/// A walk over nodes and records in pre-order: a node, the subtree before its first entry, the entry, the subtree after it and
/// so on; records come in key order. It owns its snapshot, so it can live as long as a slow client needs.
#[derive(Debug)]
pub struct Walk {
    /// The subtree that comes next.
    unvisited: Option<Arc<Node>>,
    stack: Vec<Frame>,
    /// The gap before which the walk stands.
    gap: Option<Gap>,
}

/// A node on the way to where the walk stands.
#[derive(Debug)]
struct Frame {
    node: Arc<Node>,
    position: Position,
    /// The child that comes next; the entry after it has the same index.
    child: usize,
    /// Whether that child is done.
    descended: bool,
    /// The key of the entry before.
    key: Vec<u8>,
}

impl Frame {
    fn new(node: &Arc<Node>) -> Result<Self, NotLoaded> {
        let position = own_reader(node.loaded()?.block()).position();
        Ok(Frame {
            node: Arc::clone(node),
            position,
            child: 0,
            descended: false,
            key: Vec::new(),
        })
    }

    /// What the node holds; a frame is only made of a node that is loaded.
    fn loaded(&self) -> Option<&Loaded> {
        self.node.loaded().ok()
    }

    /// The next subtree to go down to, each once.
    fn descend(&mut self) -> Option<Arc<Node>> {
        if std::mem::replace(&mut self.descended, true) {
            None
        } else {
            self.loaded()?.child(self.child).cloned()
        }
    }

    /// The key of the entry before the child that comes next.
    fn key_before(&self) -> Option<Box<[u8]>> {
        (self.child > 0).then(|| self.key.as_slice().into())
    }

    /// The key of the entry behind it.
    fn key_behind(&self) -> Option<Box<[u8]>> {
        let entry = own_entry(&mut Reader::resume(self.loaded()?.block(), self.position))?;
        Some([&self.key[..entry.prefix], entry.suffix].concat().into())
    }

    /// Goes past the next entry and returns its value.
    fn next_entry(&mut self) -> Option<Cid> {
        let Ok(loaded) = self.node.loaded() else { return None };
        let mut reader = Reader::resume(loaded.block(), self.position);
        let entry = own_entry(&mut reader)?;
        self.key.truncate(entry.prefix);
        self.key.extend_from_slice(entry.suffix);
        self.position = reader.position();
        self.child += 1;
        self.descended = false;
        Some(own_cid(entry.value))
    }
}

/// What a step found.
enum Step {
    Node,
    Leaf(Cid),
    Gap,
}

impl Walk {
    /// The next stop, `None` at the end. What it borrows is good until the next call.
    pub fn advance(&mut self) -> Option<TreeItem<'_>> {
        let step = self.step()?;
        if let Step::Gap = step {
            return self.gap.as_ref().map(TreeItem::Gap);
        }
        let frame = self.stack.last()?;
        Some(match step {
            Step::Leaf(cid) => TreeItem::Leaf { key: &frame.key, cid },
            Step::Node | Step::Gap => TreeItem::Node {
                cid: *frame.node.cid(),
                bytes: frame.loaded()?.block(),
            },
        })
    }

    /// Goes down into the subtree of the gap at which the walk stands.
    pub fn enter(&mut self, subtree: Subtree) {
        self.unvisited = Some(subtree.0);
    }

    /// Moves on so that the top frame is the node, or has the entry, found; or so that it stands before a gap.
    fn step(&mut self) -> Option<Step> {
        loop {
            if let Some(node) = self.unvisited.take() {
                let Ok(frame) = Frame::new(&node) else {
                    self.gap = Some(self.gap_of(&node));
                    return Some(Step::Gap);
                };
                self.stack.push(frame);
                return Some(Step::Node);
            }
            let frame = self.stack.last_mut()?;
            self.unvisited = frame.descend();
            if self.unvisited.is_some() {
                continue;
            }
            if let Some(value) = frame.next_entry() {
                return Some(Step::Leaf(value));
            }
            self.stack.pop();
        }
    }

    fn gap_of(&self, node: &Node) -> Gap {
        let mut frames = self.stack.iter().rev();
        Gap {
            after: frames.clone().find_map(Frame::key_before),
            before: frames.find_map(Frame::key_behind),
            cid: *node.cid(),
            layer: node.layer(),
        }
    }
}

impl Tree {
    /// All nodes and records, as an export lists them.
    pub fn blocks(&self) -> Walk {
        Walk {
            unvisited: Some(Arc::clone(&self.root)),
            stack: Vec::new(),
            gap: None,
        }
    }
}
