//! Editing a tree: nodes on the way to a change are opened into entries, changed, and encoded once when all is done. The same
//! editing serves whole trees in memory and the partial trees that events carry; they differ in how a node is opened.

use super::key::layer_of;
use atproto_data::Cid;

/// A subtree that is not open for editing.
pub(crate) trait Closed: Sized {
    /// The CID of its top node.
    fn cid(&self) -> &Cid;
    /// Opens its top node, or tells which block that needs and is not there.
    fn open(&self) -> Result<OpenNode<Self>, Cid>;
}

/// A subtree, open or not.
pub(crate) enum Link<C> {
    Closed(C),
    Open(Box<OpenNode<C>>),
}

/// A node taken apart. `children` is always one longer than `entries`.
pub(crate) struct OpenNode<C> {
    pub(crate) layer: u8,
    pub(crate) entries: Vec<Entry>,
    pub(crate) children: Vec<Option<Link<C>>>,
}

/// A key and its record's CID.
pub(crate) struct Entry {
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Cid,
}

/// Why an edit cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EditError {
    Exists,
    Missing,
    /// The edit needs this node, which the partial tree does not hold.
    BlockAbsent(Cid),
}

impl From<Cid> for EditError {
    fn from(absent: Cid) -> Self {
        EditError::BlockAbsent(absent)
    }
}

impl<C: Closed> Link<C> {
    /// The open node of this subtree.
    fn open(&mut self) -> Result<&mut OpenNode<C>, Cid> {
        if let Link::Closed(closed) = self {
            *self = Link::Open(Box::new(closed.open()?));
        }
        match self {
            Link::Open(node) => Ok(node),
            Link::Closed(closed) => Err(*closed.cid()),
        }
    }

    fn into_open(self) -> Result<OpenNode<C>, Cid> {
        match self {
            Link::Closed(closed) => closed.open(),
            Link::Open(node) => Ok(*node),
        }
    }
}

impl<C> OpenNode<C> {
    /// A node that holds only a left subtree, or nothing.
    fn without_entries(layer: u8, left: Option<Link<C>>) -> Self {
        OpenNode {
            layer,
            entries: Vec::new(),
            children: vec![left],
        }
    }

    fn search(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.key).cmp(key))
    }

    /// The node as a subtree of another, `None` if nothing is left in it.
    fn into_link(self) -> Option<Link<C>> {
        if self.is_blank() {
            None
        } else {
            Some(Link::Open(Box::new(self)))
        }
    }

    fn is_blank(&self) -> bool {
        self.entries.is_empty() && self.children.iter().all(Option::is_none)
    }
}

/// A tree open for editing; `None` is the empty tree. The root of a finished edit is always trimmed.
pub(crate) struct Editor<C> {
    pub(crate) root: Option<OpenNode<C>>,
}

impl<C: Closed> Editor<C> {
    /// Adds a record.
    pub(crate) fn create(&mut self, key: &[u8], value: Cid) -> Result<(), EditError> {
        let layer = layer_of(key);
        let entry = Entry { key: key.into(), value };
        match &mut self.root {
            Some(root) if root.layer >= layer => insert(root, layer, entry),
            root => {
                let (left, right) = match root.take() {
                    None => (None, None),
                    Some(root) => {
                        let below = root.layer;
                        let (left, right) = split(Link::Open(Box::new(root)), key)?;
                        (lift(left, below, layer), lift(right, below, layer))
                    }
                };
                *root = Some(OpenNode {
                    layer,
                    entries: vec![entry],
                    children: vec![left, right],
                });
                Ok(())
            }
        }
    }

    /// Changes a record's CID and returns the one before.
    pub(crate) fn update(&mut self, key: &[u8], value: Cid) -> Result<Cid, EditError> {
        let mut node = self.root.as_mut().ok_or(EditError::Missing)?;
        loop {
            match node.search(key) {
                Ok(index) => return Ok(std::mem::replace(&mut node.entries[index].value, value)),
                Err(index) => node = node.children[index].as_mut().ok_or(EditError::Missing)?.open()?,
            }
        }
    }

    /// Takes a record away and returns its CID.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<Cid, EditError> {
        let root = self.root.as_mut().ok_or(EditError::Missing)?;
        let value = remove(root, key)?;
        while let Some(root) = self.root.take_if(|root| root.entries.is_empty()) {
            let only_child = root.children.into_iter().flatten().next();
            self.root = only_child.map(Link::into_open).transpose()?;
        }
        Ok(value)
    }
}

fn insert<C: Closed>(node: &mut OpenNode<C>, layer: u8, entry: Entry) -> Result<(), EditError> {
    match node.search(&entry.key) {
        Ok(_) => Err(EditError::Exists),
        Err(index) if node.layer == layer => {
            let (left, right) = match node.children[index].take() {
                None => (None, None),
                Some(child) => split(child, &entry.key)?,
            };
            node.children[index] = left;
            node.children.insert(index + 1, right);
            node.entries.insert(index, entry);
            Ok(())
        }
        Err(index) => {
            let below = node.layer - 1;
            let child = node.children[index]
                .get_or_insert_with(|| Link::Open(Box::new(OpenNode::without_entries(below, None))));
            insert(child.open()?, layer, entry)
        }
    }
}

fn remove<C: Closed>(node: &mut OpenNode<C>, key: &[u8]) -> Result<Cid, EditError> {
    match node.search(key) {
        Ok(index) => {
            let right = node.children.remove(index + 1);
            let left = node.children[index].take();
            node.children[index] = merge(left, right)?;
            Ok(node.entries.remove(index).value)
        }
        Err(index) => {
            let child = node.children[index].as_mut().ok_or(EditError::Missing)?.open()?;
            let value = remove(child, key)?;
            if child.is_blank() {
                node.children[index] = None;
            }
            Ok(value)
        }
    }
}

/// Both sides of a split subtree; `None` where nothing is.
type Halves<C> = (Option<Link<C>>, Option<Link<C>>);

/// Splits a subtree that does not hold `key` into what is before and what is after it.
fn split<C: Closed>(link: Link<C>, key: &[u8]) -> Result<Halves<C>, EditError> {
    let mut left = link.into_open()?;
    let Err(index) = left.search(key) else {
        return Err(EditError::Exists);
    };
    let mut right = OpenNode {
        layer: left.layer,
        entries: left.entries.split_off(index),
        children: left.children.split_off(index + 1),
    };
    let (before, after) = match left.children[index].take() {
        None => (None, None),
        Some(child) => split(child, key)?,
    };
    left.children[index] = before;
    right.children.insert(0, after);
    Ok((left.into_link(), right.into_link()))
}

/// Joins two neighbouring subtrees of the same layer.
fn merge<C: Closed>(left: Option<Link<C>>, right: Option<Link<C>>) -> Result<Option<Link<C>>, EditError> {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (one, other) => return Ok(one.or(other)),
    };
    let mut joined = left.into_open()?;
    let right = right.into_open()?;
    let mut children = right.children.into_iter();
    let between = merge(joined.children.pop().flatten(), children.next().flatten())?;
    joined.children.push(between);
    joined.children.extend(children);
    joined.entries.extend(right.entries);
    Ok(Some(Link::Open(Box::new(joined))))
}

/// Puts empty nodes on top of a subtree whose top is on layer `from`, until it can be a child of a node on layer `under`.
fn lift<C>(link: Option<Link<C>>, from: u8, under: u8) -> Option<Link<C>> {
    let mut link = link?;
    for layer in from + 1..under {
        link = Link::Open(Box::new(OpenNode::without_entries(layer, Some(link))));
    }
    Some(link)
}
