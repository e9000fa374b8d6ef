//! Walking a tree in key order.

use super::codec::{Position, Reader};
use super::node::{Node, own_cid, own_entry, own_reader};
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
}

/// A walk over nodes and records in pre-order: a node, the subtree before its first entry, the entry, the subtree after it and
/// so on; records come in key order. It owns its snapshot, so it can live as long as a slow client needs.
#[derive(Debug)]
pub struct Walk {
    /// The root, until the first step.
    unvisited: Option<Arc<Node>>,
    stack: Vec<Frame>,
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
    fn new(node: Arc<Node>) -> Self {
        let position = own_reader(node.block()).position();
        Frame {
            node,
            position,
            child: 0,
            descended: false,
            key: Vec::new(),
        }
    }

    /// The next subtree to go down to, each once.
    fn descend(&mut self) -> Option<Arc<Node>> {
        if std::mem::replace(&mut self.descended, true) {
            None
        } else {
            self.node.child(self.child).cloned()
        }
    }

    /// Goes past the next entry and returns its value.
    fn next_entry(&mut self) -> Option<Cid> {
        let mut reader = Reader::resume(self.node.block(), self.position);
        let entry = own_entry(&mut reader)?;
        self.key.truncate(entry.prefix);
        self.key.extend_from_slice(entry.suffix);
        self.position = reader.position();
        self.child += 1;
        self.descended = false;
        Some(own_cid(entry.value))
    }

    /// Goes past all entries before `start`; what is left of the node are entries from it on.
    fn skip_before(&mut self, start: &[u8]) {
        loop {
            let mut reader = Reader::resume(self.node.block(), self.position);
            let Some(entry) = own_entry(&mut reader) else { return };
            let shared = &self.key[..entry.prefix];
            if shared.iter().chain(entry.suffix).ge(start) {
                return;
            }
            self.next_entry();
        }
    }
}

/// What a step found.
enum Step {
    Node,
    Leaf(Cid),
}

impl Walk {
    fn new(root: Arc<Node>) -> Self {
        Walk {
            unvisited: Some(root),
            stack: Vec::new(),
        }
    }

    /// A walk that stands before the first record whose key is not less than `start`; nodes on the way there are not shown.
    fn starting_at(root: Arc<Node>, start: &[u8]) -> Self {
        let mut stack: Vec<Frame> = Vec::new();
        let mut next = Some(root);
        while let Some(node) = next {
            let mut frame = Frame::new(node);
            frame.skip_before(start);
            next = frame.descend();
            stack.push(frame);
        }
        Walk { unvisited: None, stack }
    }

    /// The next stop, `None` at the end. What it borrows is good until the next call.
    pub fn advance(&mut self) -> Option<TreeItem<'_>> {
        let step = self.step()?;
        let frame = self.stack.last()?;
        Some(match step {
            Step::Node => TreeItem::Node {
                cid: *frame.node.cid(),
                bytes: frame.node.block(),
            },
            Step::Leaf(cid) => TreeItem::Leaf { key: &frame.key, cid },
        })
    }

    /// Moves on so that the top frame is the node, or has the entry, found.
    fn step(&mut self) -> Option<Step> {
        if let Some(root) = self.unvisited.take() {
            self.stack.push(Frame::new(root));
            return Some(Step::Node);
        }
        loop {
            let frame = self.stack.last_mut()?;
            if let Some(child) = frame.descend() {
                self.stack.push(Frame::new(child));
                return Some(Step::Node);
            }
            if let Some(value) = frame.next_entry() {
                return Some(Step::Leaf(value));
            }
            self.stack.pop();
        }
    }
}

/// The keys and CIDs of records in key order.
#[derive(Debug)]
pub struct Iter(Walk);

impl Iterator for Iter {
    type Item = (Box<[u8]>, Cid);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let TreeItem::Leaf { key, cid } = self.0.advance()? {
                return Some((key.into(), cid));
            }
        }
    }
}

impl Tree {
    /// All nodes and records, as an export lists them.
    pub fn blocks(&self) -> Walk {
        Walk::new(Arc::clone(&self.root))
    }

    /// All records in key order.
    pub fn iter(&self) -> Iter {
        Iter(self.blocks())
    }

    /// The records in key order whose keys are not less than `start`.
    pub fn iter_from(&self, start: &[u8]) -> Iter {
        Iter(Walk::starting_at(Arc::clone(&self.root), start))
    }
}

impl IntoIterator for &Tree {
    type Item = (Box<[u8]>, Cid);
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
