//! Gaps: subtrees of which a tree knows the CID, and which are built from their records when they are needed.

use super::build::Builder;
use super::error::MstError;
use super::node::{Node, NotLoaded, Seek};
use super::tree::Tree;
use atproto_data::Cid;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A subtree that is not loaded: all records between two keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The greatest key before its records; none if they are the first of the tree.
    pub after: Option<Box<[u8]>>,
    /// The least key behind its records; none if they are the last of the tree.
    pub before: Option<Box<[u8]>>,
    pub(super) cid: Cid,
    pub(super) layer: u8,
}

/// The subtree that belongs in a gap.
#[derive(Clone, Debug)]
pub struct Subtree(pub(super) Arc<Node>);

impl Gap {
    /// The CID of the subtree's top node.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Builds the subtree of all records in the gap, given in order of their keys.
    ///
    /// # Errors
    /// [`MstError::Mismatch`] if the records do not give the CID that the tree names, and those of [`Tree::from_sorted`].
    pub fn subtree<K: AsRef<[u8]>>(&self, pairs: impl IntoIterator<Item = (K, Cid)>) -> Result<Subtree, MstError> {
        let mut builder = Builder::new();
        for (key, cid) in pairs {
            builder.push(key.as_ref(), cid)?;
        }
        let top = builder.finish_on(self.layer)?.filter(|top| *top.cid() == self.cid);
        top.map(Subtree).ok_or(MstError::Mismatch)
    }
}

impl Tree {
    /// The gaps that stand between this tree and any operation, proof or covering of some keys: on the ways to them and to their
    /// neighbours. Each once, in order of their keys. Costs nothing if the tree has no gaps at all.
    pub fn gaps<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Gap> {
        let mut gaps = BTreeMap::new();
        let mut add = |end| {
            if let End::Gap(gap) = end {
                gaps.insert(gap.after.clone(), gap);
            }
        };
        if !self.root.is_whole() {
            for key in keys {
                let key = key.as_ref();
                match Toward::Key(key).descend(&self.root) {
                    End::Found => [Toward::Before(key), Toward::Behind(key)]
                        .into_iter()
                        .for_each(|side| add(side.descend(&self.root))),
                    end => add(end),
                }
            }
        }
        gaps.into_values().collect()
    }

    /// This tree with a gap filled in, if it is there.
    ///
    /// # Errors
    /// [`MstError::Mismatch`] if the tree has another gap in its place.
    pub fn fill(&self, gap: &Gap, subtree: &Subtree) -> Result<Tree, MstError> {
        Ok(Tree {
            root: fill(&self.root, gap, subtree)?,
        })
    }

    /// The greatest key that is not greater than `key`, and the least that is not less.
    ///
    /// # Errors
    /// [`NotLoaded`] if there is a gap around the key.
    pub fn nearest(&self, key: &[u8]) -> Result<Nearest, NotLoaded> {
        match Toward::Key(key).descend(&self.root) {
            End::Found => Ok((Some(key.into()), Some(key.into()))),
            End::Absent(nearest) => Ok(nearest),
            End::Gap(gap) => Err(NotLoaded { cid: gap.cid }),
        }
    }
}

/// The keys on both sides of a place.
pub type Nearest = (Option<Box<[u8]>>, Option<Box<[u8]>>);

/// Puts a subtree in its gap and copies the nodes on the way there.
fn fill(node: &Arc<Node>, gap: &Gap, subtree: &Subtree) -> Result<Arc<Node>, MstError> {
    let Ok(loaded) = node.loaded() else {
        let is_it = *node.cid() == gap.cid;
        return is_it.then(|| Arc::clone(&subtree.0)).ok_or(MstError::Mismatch);
    };
    let way = match gap.after.as_deref().map(|after| loaded.seek(after)) {
        None => 0,
        Some(Seek::Found { index, .. }) => index + 1,
        Some(Seek::Absent { child }) => child,
    };
    node.over_children(loaded, |index, child| {
        if index == way {
            fill(child, gap, subtree)
        } else {
            Ok(Arc::clone(child))
        }
    })
}

/// Where a descent goes: to a key, or to the place right before or behind it.
#[derive(Clone, Copy)]
enum Toward<'k> {
    Key(&'k [u8]),
    Before(&'k [u8]),
    Behind(&'k [u8]),
}

/// Where a descent ended.
enum End {
    Found,
    Absent(Nearest),
    Gap(Gap),
}

impl Toward<'_> {
    /// How an entry lies to it.
    fn compare(self, entry: &[u8]) -> Ordering {
        match self {
            Toward::Key(key) => entry.cmp(key),
            Toward::Before(key) => entry.cmp(key).then(Ordering::Greater),
            Toward::Behind(key) => entry.cmp(key).then(Ordering::Less),
        }
    }

    /// Goes down from `root`, noting the nearest keys on both sides.
    fn descend(self, root: &Arc<Node>) -> End {
        let (mut after, mut before) = (None, None);
        let mut node = root;
        loop {
            let Ok(loaded) = node.loaded() else {
                return End::Gap(Gap {
                    after,
                    before,
                    cid: *node.cid(),
                    layer: node.layer(),
                });
            };
            let mut child = 0;
            let mut previous: Vec<u8> = Vec::new();
            for entry in loaded.entries() {
                let key = [&previous[..entry.prefix], entry.suffix].concat();
                match self.compare(&key) {
                    Ordering::Less => previous = key,
                    Ordering::Equal => return End::Found,
                    Ordering::Greater => {
                        before = Some(key.into());
                        break;
                    }
                }
                child += 1;
            }
            if child > 0 {
                after = Some(previous.into());
            }
            match loaded.child(child) {
                None => return End::Absent((after, before)),
                Some(child) => node = child,
            }
        }
    }
}
