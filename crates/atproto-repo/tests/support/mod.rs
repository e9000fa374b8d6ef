//! What the tests of this crate share.
#![expect(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "where the vectors are is no setting of the server"
)]

use atproto_data::Cid;
use atproto_repo::mst::{TreeItem, layer_of};
use atproto_repo::verify::DecodedNode;
use atproto_repo::{Action, Operation, Tree};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// The records of a repository by key.
pub(crate) type Model = BTreeMap<Vec<u8>, Cid>;

/// How many keys of each layer the pool has, and the highest of the layers.
const KEYS_PER_LAYER: usize = 14;
pub(crate) const TOP_LAYER: u8 = 7;

/// Keys of which as many are on high layers as on low ones: trees of them are deep, sparse and full of nodes without entries.
pub(crate) fn key_pool() -> &'static [Vec<u8>] {
    static POOL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    POOL.get_or_init(|| {
        let mut counts = [0; TOP_LAYER as usize + 1];
        let mut pool = Vec::new();
        for number in 0_u32.. {
            let key = format!("com.example.{}/{number:x}", number % 3).into_bytes();
            let Some(count) = counts.get_mut(usize::from(layer_of(&key))) else {
                continue;
            };
            if *count < KEYS_PER_LAYER {
                *count += 1;
                pool.push(key);
            } else if counts.iter().all(|count| *count == KEYS_PER_LAYER) {
                break;
            }
        }
        pool
    })
}

/// A CID that differs for every number.
pub(crate) fn cid(number: u32) -> Cid {
    Cid::of_dag_cbor(&number.to_be_bytes())
}

/// The tree built from a model.
pub(crate) fn tree_of(model: &Model) -> Tree {
    Tree::from_sorted(model.iter().map(|(key, cid)| (key, *cid))).unwrap()
}

/// Makes an operation of a key and a choice that fits what the model holds, and does it to the model.
pub(crate) fn operate(model: &mut Model, key: &[u8], choice: u32) -> (Operation, Option<Cid>) {
    let previous = model.get(key).copied();
    let action = match previous {
        None => Action::Create(cid(choice)),
        Some(_) if choice.is_multiple_of(3) => Action::Update(cid(choice)),
        Some(_) => Action::Delete,
    };
    match action {
        Action::Create(cid) | Action::Update(cid) => model.insert(key.to_vec(), cid),
        Action::Delete => model.remove(key),
    };
    (
        Operation {
            key: key.to_vec(),
            action,
        },
        previous,
    )
}

/// All nodes of a tree.
pub(crate) fn nodes(tree: &Tree) -> HashMap<Cid, Vec<u8>> {
    let mut nodes = HashMap::new();
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        if let TreeItem::Node { cid, bytes } = item {
            nodes.insert(cid, bytes.to_vec());
        }
    }
    nodes
}

/// All records of a tree that has no gaps.
pub(crate) fn records(tree: &Tree) -> Vec<(Vec<u8>, Cid)> {
    let mut records = Vec::new();
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        match item {
            TreeItem::Node { .. } => {}
            TreeItem::Leaf { key, cid } => records.push((key.to_vec(), cid)),
            TreeItem::Gap(gap) => panic!("{gap:?}"),
        }
    }
    records
}

/// Reads all records under a node by decoding blocks, and checks that every child is one layer lower.
pub(crate) fn read_records(nodes: &HashMap<Cid, Vec<u8>>, root: Cid, layer: Option<u8>, out: &mut Vec<(Vec<u8>, Cid)>) {
    let node = DecodedNode::decode(&nodes[&root]).unwrap();
    let layer = node.layer.or(layer).unwrap_or(0);
    let mut entries = node.entries.iter();
    for child in node.children() {
        if let Some(child) = child {
            let below = DecodedNode::decode(&nodes[&child]).unwrap();
            assert!(below.layer.is_none_or(|below| below + 1 == layer));
            assert!(!below.entries.is_empty() || below.left.is_some());
            read_records(nodes, child, layer.checked_sub(1), out);
        }
        if let Some(entry) = entries.next() {
            out.push((entry.key.to_vec(), entry.value));
        }
    }
}

/// The text of a shared test vector; `None`, said aloud, where the vectors are not at hand.
pub(crate) fn vector(path: &str) -> Option<String> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let directory = std::env::var("PDS_VECTORS_DIR").unwrap_or_else(|_| default.to_owned());
    match std::fs::read_to_string(format!("{directory}/{path}")) {
        Ok(text) => Some(text),
        Err(error) if std::env::var_os("CI").is_some() => panic!("vectors missing at {directory}/{path}: {error}"),
        Err(_) => {
            println!("NOT RUN: vectors missing at {directory}/{path}");
            None
        }
    }
}
