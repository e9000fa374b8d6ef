//! Decoding one node strictly.

use crate::mst::codec::{Malformed, Reader};
use crate::mst::key::check_key;
use crate::mst::{KeyError, MAX_LAYER, MAX_NODE_ENTRIES, common_prefix_length, layer_of};
use atproto_data::Cid;

/// Why a block is not a node of a valid tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The block is not the canonical DAG-CBOR of a node.
    #[error("not the encoding of an MST node at byte {at}")]
    Malformed {
        /// The first byte that does not fit.
        at: usize,
    },
    /// A link is not a CID of this protocol, or one to a node does not name DAG-CBOR.
    #[error("entry {entry}: a link is not a CIDv1 with SHA-256 of DAG-CBOR")]
    BadLink {
        /// The entry, counted from 0 (the left link counts with the first entry).
        entry: usize,
    },
    /// There are more than [`MAX_NODE_ENTRIES`] entries.
    #[error("more than {MAX_NODE_ENTRIES} entries")]
    TooWide,
    /// A key is not a repository key.
    #[error("entry {entry}: the key {reason}")]
    BadKey {
        /// The entry, counted from 0.
        entry: usize,
        /// The rule broken.
        reason: KeyError,
    },
    /// A key's prefix is longer than the key before, or shorter than what both share.
    #[error("entry {entry}: the prefix length is not that which the key shares with the one before")]
    BadPrefix {
        /// The entry, counted from 0.
        entry: usize,
    },
    /// The keys do not increase.
    #[error("entry {entry}: the key is not greater than the one before")]
    NotSorted {
        /// The entry, counted from 0.
        entry: usize,
    },
    /// A key's hash puts it on another layer than the node's first.
    #[error("entry {entry}: the key belongs on another layer")]
    WrongLayer {
        /// The entry, counted from 0.
        entry: usize,
    },
    /// A key is above [`MAX_LAYER`].
    #[error("a key is on a layer above {MAX_LAYER}")]
    TooDeep,
    /// The node is on layer 0 and has a subtree.
    #[error("a node on layer 0 has a subtree")]
    TooLow,
}

/// A decoded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedEntry {
    /// The full key.
    pub key: Box<[u8]>,
    /// The record's CID.
    pub value: Cid,
    /// The CID of the subtree after this entry.
    pub subtree: Option<Cid>,
}

/// A node decoded from a block, everything checked that can be seen in the block alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedNode {
    /// The CID of the subtree before the first entry.
    pub left: Option<Cid>,
    /// The entries in order.
    pub entries: Vec<DecodedEntry>,
    /// The layer all keys are on; `None` without entries: then it follows from the place in the tree.
    pub layer: Option<u8>,
}

impl From<Malformed> for NodeError {
    fn from(Malformed { at }: Malformed) -> Self {
        NodeError::Malformed { at }
    }
}

impl DecodedNode {
    /// Decodes a block: canonical encoding, valid keys strictly increasing, maximal prefixes, all on one layer, within the
    /// limits. A node without entries passes; whether it may be there is seen from the node above.
    pub fn decode(block: &[u8]) -> Result<DecodedNode, NodeError> {
        let mut reader = Reader::new(block)?;
        if reader.remaining() > MAX_NODE_ENTRIES {
            return Err(NodeError::TooWide);
        }
        let mut entries: Vec<DecodedEntry> = Vec::new();
        while let Some(raw) = reader.next_entry()? {
            let entry = entries.len();
            let previous = entries.last().map_or(&[][..], |previous| &previous.key);
            let shared = previous.get(..raw.prefix).ok_or(NodeError::BadPrefix { entry })?;
            let key: Box<[u8]> = [shared, raw.suffix].concat().into();
            check_order(previous, &key, raw.prefix, entry)?;
            let value = Cid::from_bytes(raw.value).map_err(|_| NodeError::BadLink { entry })?;
            let subtree = raw.subtree.map(|link| node_link(link, entry)).transpose()?;
            entries.push(DecodedEntry { key, value, subtree });
        }
        let left = reader.left()?.map(|link| node_link(link, 0)).transpose()?;
        let layer = common_layer(&entries)?;
        let node = DecodedNode { left, entries, layer };
        if node.layer == Some(0) && node.children().any(|child| child.is_some()) {
            return Err(NodeError::TooLow);
        }
        Ok(node)
    }

    /// The links to subtrees: the one before the first entry, then the one after each.
    pub fn children(&self) -> impl Iterator<Item = Option<Cid>> {
        std::iter::once(self.left).chain(self.entries.iter().map(|entry| entry.subtree))
    }
}

fn check_order(previous: &[u8], key: &[u8], prefix: usize, entry: usize) -> Result<(), NodeError> {
    check_key(key).map_err(|reason| NodeError::BadKey { entry, reason })?;
    if common_prefix_length(previous, key) != prefix {
        return Err(NodeError::BadPrefix { entry });
    }
    if key <= previous {
        return Err(NodeError::NotSorted { entry });
    }
    Ok(())
}

fn node_link(link: &[u8], entry: usize) -> Result<Cid, NodeError> {
    match Cid::from_bytes(link) {
        Ok(cid) if cid.codec() == atproto_data::Codec::DagCbor => Ok(cid),
        _ => Err(NodeError::BadLink { entry }),
    }
}

fn common_layer(entries: &[DecodedEntry]) -> Result<Option<u8>, NodeError> {
    let Some(first) = entries.first() else { return Ok(None) };
    let layer = layer_of(&first.key);
    if layer > MAX_LAYER {
        return Err(NodeError::TooDeep);
    }
    match entries.iter().position(|entry| layer_of(&entry.key) != layer) {
        Some(entry) => Err(NodeError::WrongLayer { entry }),
        None => Ok(Some(layer)),
    }
}
