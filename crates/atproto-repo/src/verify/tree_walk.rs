//! Checking a whole tree node by node, with blocks fetched one at a time.

use super::node::DecodedNode;
use super::partial_tree::{PartialTreeError, Place, check_place};
use atproto_data::Cid;

/// What a [`TreeWalk`] comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeStep {
    /// A node, whose block [`TreeWalk::open`] wants next.
    Node(Cid),
    /// A record.
    Record {
        /// The record's `collection/rkey`; keys come in strictly increasing order.
        key: Box<[u8]>,
        /// The record's CID.
        cid: Cid,
    },
}

/// A walk in pre-order over a tree that is not trusted: every node is checked by itself and in its place, so that when it ends
/// without an error, the records it gave make exactly the tree under the root. It keeps the nodes on the way to where it stands:
/// at most one per layer.
///
/// It ends after as many steps as there are records and nodes, times the layers: each node is below the one that links to it,
/// and a node with entries fits one place only.
#[derive(Debug)]
pub struct TreeWalk {
    /// A node that was announced and not opened yet.
    unopened: Option<(Cid, OwnedPlace)>,
    /// Whether it was announced.
    announced: bool,
    stack: Vec<Frame>,
}

#[derive(Debug, Default)]
struct OwnedPlace {
    layer: Option<u8>,
    after: Option<Box<[u8]>>,
    before: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Frame {
    node: DecodedNode,
    layer: u8,
    place: OwnedPlace,
    /// How many children are done: the entry of this index, less one, comes before the next child.
    child: usize,
    /// Whether the child at `child` is done and the entry after it comes next.
    descended: bool,
}

impl TreeWalk {
    /// A walk that begins at the root.
    pub fn new(root: Cid) -> TreeWalk {
        TreeWalk {
            unopened: Some((root, OwnedPlace::default())),
            announced: false,
            stack: Vec::new(),
        }
    }

    /// The next step, `None` at the end. A node that is not opened is passed over with all below it.
    pub fn advance(&mut self) -> Option<TreeStep> {
        if let Some((cid, _)) = &self.unopened
            && !std::mem::replace(&mut self.announced, true)
        {
            return Some(TreeStep::Node(*cid));
        }
        self.unopened = None;
        loop {
            let frame = self.stack.last_mut()?;
            if let Some((cid, place)) = frame.descend() {
                self.unopened = Some((cid, place));
                self.announced = true;
                return Some(TreeStep::Node(cid));
            }
            if let Some(step) = frame.next_entry() {
                return Some(step);
            }
            self.stack.pop();
        }
    }

    /// Checks the block of the node that was announced last and goes on below it. That the block matches its CID is the caller's
    /// duty (the CAR reader checks it).
    pub fn open(&mut self, block: &[u8]) -> Result<(), PartialTreeError> {
        let Some((cid, place)) = self.unopened.take() else {
            return Ok(());
        };
        let invalid = |rule| PartialTreeError { cid, rule };
        let node = DecodedNode::decode(block).map_err(|error| invalid(error.into()))?;
        let layer = check_place(&node, place.as_place()).map_err(invalid)?;
        self.stack.push(Frame {
            node,
            layer,
            place,
            child: 0,
            descended: false,
        });
        Ok(())
    }
}

impl Frame {
    /// The next subtree and its place, each once.
    fn descend(&mut self) -> Option<(Cid, OwnedPlace)> {
        if std::mem::replace(&mut self.descended, true) {
            return None;
        }
        let before = self
            .child
            .checked_sub(1)
            .and_then(|before| self.node.entries.get(before));
        let link = match self.child {
            0 => self.node.left,
            _ => before?.subtree,
        };
        let place = OwnedPlace {
            // A node on layer 0 with links was refused when it was decoded.
            layer: Some(self.layer.saturating_sub(1)),
            after: before.map(|entry| &entry.key).or(self.place.after.as_ref()).cloned(),
            before: self
                .node
                .entries
                .get(self.child)
                .map(|entry| &entry.key)
                .or(self.place.before.as_ref())
                .cloned(),
        };
        Some((link?, place))
    }

    fn next_entry(&mut self) -> Option<TreeStep> {
        let entry = self.node.entries.get(self.child)?;
        self.child += 1;
        self.descended = false;
        Some(TreeStep::Record {
            key: entry.key.clone(),
            cid: entry.value,
        })
    }
}

impl OwnedPlace {
    fn as_place(&self) -> Place<'_> {
        Place {
            layer: self.layer,
            after: self.after.as_deref(),
            before: self.before.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::mst::{Tree, TreeItem};
    use crate::verify::PartialTreeRule;
    use std::collections::HashMap;

    type Records = Vec<(Box<[u8]>, Cid)>;

    fn blocks(tree: &Tree) -> HashMap<Cid, Vec<u8>> {
        let mut walk = tree.blocks();
        let mut blocks = HashMap::new();
        while let Some(item) = walk.advance() {
            if let TreeItem::Node { cid, bytes } = item {
                blocks.insert(cid, bytes.to_vec());
            }
        }
        blocks
    }

    fn leaves(tree: &Tree) -> Records {
        let mut walk = tree.blocks();
        let mut leaves = Vec::new();
        while let Some(item) = walk.advance() {
            if let TreeItem::Leaf { key, cid } = item {
                leaves.push((key.into(), cid));
            }
        }
        leaves
    }

    fn records(blocks: &HashMap<Cid, Vec<u8>>, root: Cid) -> Result<Records, PartialTreeError> {
        let mut walk = TreeWalk::new(root);
        let mut records = Vec::new();
        while let Some(step) = walk.advance() {
            match step {
                TreeStep::Node(cid) => walk.open(&blocks[&cid])?,
                TreeStep::Record { key, cid } => records.push((key, cid)),
            }
        }
        Ok(records)
    }

    fn tree(keys: impl Iterator<Item = u32>) -> Tree {
        let mut pairs: Vec<_> = keys
            .map(|key| (format!("com.example/{key}"), Cid::of_dag_cbor(&key.to_be_bytes())))
            .collect();
        pairs.sort();
        Tree::from_sorted(pairs).unwrap()
    }

    #[test]
    fn a_good_tree_gives_its_records() {
        for count in [0, 1, 2, 7, 500] {
            let tree = tree(0..count);
            assert_eq!(records(&blocks(&tree), tree.root()).unwrap(), leaves(&tree));
        }
    }

    #[test]
    fn a_node_in_a_wrong_place_is_found() {
        let good = tree(0..500);
        let all = blocks(&good);
        let mut found = HashMap::new();
        // Every node in turn stands where another one belongs.
        let mut cids: Vec<Cid> = all.keys().copied().filter(|cid| *cid != good.root()).collect();
        cids.sort();
        for pair in cids.windows(2) {
            let mut mixed = all.clone();
            mixed.insert(pair[0], all[&pair[1]].clone());
            let error = records(&mixed, good.root()).unwrap_err();
            *found.entry(std::mem::discriminant(&error.rule)).or_insert(0) += 1;
        }
        for rule in [PartialTreeRule::WrongLayer, PartialTreeRule::OutOfRange] {
            assert!(found.contains_key(&std::mem::discriminant(&rule)), "{rule}");
        }
    }

    #[test]
    fn a_loop_ends() {
        let good = tree(0..100);
        let mut all = blocks(&good);
        let root = all[&good.root()].clone();
        for (cid, block) in &mut all {
            if *cid != good.root() {
                block.clone_from(&root);
            }
        }
        assert_eq!(
            records(&all, good.root()).unwrap_err().rule,
            PartialTreeRule::WrongLayer
        );
    }

    #[test]
    fn nodes_that_are_not_opened_are_passed_over() {
        let good = tree(0..100);
        let all = blocks(&good);
        let mut walk = TreeWalk::new(good.root());
        assert_eq!(walk.advance(), Some(TreeStep::Node(good.root())));
        walk.open(&all[&good.root()]).unwrap();
        let mut steps = std::iter::from_fn(|| walk.advance());
        assert!(steps.any(|step| matches!(step, TreeStep::Record { .. })));
        assert!(steps.count() < 50);
    }
}
