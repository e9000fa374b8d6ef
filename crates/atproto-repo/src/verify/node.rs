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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use atproto_data::cbor::Encoder;

    /// Two keys that differ in their last character.
    const LOW: &[u8] = b"2653ae71/a";
    const OTHER_LOW: &[u8] = b"2653ae71/b";

    /// A node's block as an encoder without any care would write it.
    fn block(entries: &[(&[u8], u64)], left: Option<Cid>) -> Vec<u8> {
        let value = Cid::of_dag_cbor(b"value");
        let mut encoder = Encoder::new();
        encoder.map(2).string("e").array(entries.len());
        for (suffix, prefix) in entries {
            encoder.map(4).string("k").bytes(suffix).string("p").unsigned(*prefix);
            encoder.string("t").null().string("v").link(&value);
        }
        encoder.string("l");
        match left {
            Some(left) => encoder.link(&left),
            None => encoder.null(),
        };
        encoder.into_bytes()
    }

    fn error(entries: &[(&[u8], u64)], left: Option<Cid>) -> NodeError {
        DecodedNode::decode(&block(entries, left)).unwrap_err()
    }

    /// The first key with this prefix on a layer.
    fn key_on(layer: u8, prefix: &str) -> Vec<u8> {
        (0..100_000_u32)
            .map(|number| format!("{prefix}{number}").into_bytes())
            .find(|key| layer_of(key) == layer)
            .unwrap()
    }

    #[test]
    fn a_good_node_passes() {
        let (one, other) = (key_on(1, "a/"), key_on(1, "b/"));
        let left = Cid::of_dag_cbor(b"left");
        let node = DecodedNode::decode(&block(&[(&one, 0), (&other, 0)], Some(left))).unwrap();
        assert_eq!((node.left, node.layer), (Some(left), Some(1)));
        assert_eq!(
            node.entries.iter().map(|entry| &*entry.key).collect::<Vec<_>>(),
            [&one, &other]
        );
        assert_eq!(node.children().collect::<Vec<_>>(), [Some(left), None, None]);
        assert_eq!(DecodedNode::decode(&block(&[], None)).unwrap().layer, None);
    }

    #[test]
    fn every_cut_and_every_addition_is_malformed() {
        let good = block(&[(LOW, 0)], None);
        for cut in 0..good.len() {
            assert!(
                matches!(DecodedNode::decode(&good[..cut]), Err(NodeError::Malformed { .. })),
                "{cut}"
            );
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(
            DecodedNode::decode(&longer),
            Err(NodeError::Malformed { at: good.len() })
        );
        // The number of entries, 1, in a byte more than it needs.
        let not_minimal = [&good[..3], &[0x98, 0x01], &good[4..]].concat();
        assert!(matches!(
            DecodedNode::decode(&not_minimal),
            Err(NodeError::Malformed { .. })
        ));
    }

    #[test]
    fn keys_must_be_valid_sorted_and_well_compressed() {
        let entry = 1;
        assert_eq!(
            error(&[(LOW, 0), (&OTHER_LOW[1..], 1)], None),
            NodeError::BadPrefix { entry }
        );
        assert_eq!(error(&[(LOW, 0), (b"b", 99)], None), NodeError::BadPrefix { entry });
        assert_eq!(
            error(&[(OTHER_LOW, 0), (b"a", 9)], None),
            NodeError::NotSorted { entry }
        );
        assert_eq!(error(&[(LOW, 0), (b"", 10)], None), NodeError::NotSorted { entry });
        let reason = KeyError::NotTwoParts;
        assert_eq!(error(&[(b"a", 0)], None), NodeError::BadKey { entry: 0, reason });
    }

    #[test]
    fn keys_must_be_on_one_layer() {
        let (low, high) = (key_on(0, "a/"), key_on(1, "b/"));
        assert_eq!(
            error(&[(&low, 0), (&high, 0)], None),
            NodeError::WrongLayer { entry: 1 }
        );
        assert_eq!(error(&[(&low, 0)], Some(Cid::of_dag_cbor(b"left"))), NodeError::TooLow);
        assert_eq!(
            error(&[(&high, 0)], Some(Cid::of_raw(b"left"))),
            NodeError::BadLink { entry: 0 }
        );
    }

    #[test]
    fn a_node_is_not_too_wide() {
        let keys: Vec<Vec<u8>> = (0..=MAX_NODE_ENTRIES)
            .map(|number| format!("a/{number:05}").into_bytes())
            .collect();
        let entries: Vec<(&[u8], u64)> = keys.iter().map(|key| (key.as_slice(), 0)).collect();
        assert_eq!(error(&entries, None), NodeError::TooWide);
    }
}
