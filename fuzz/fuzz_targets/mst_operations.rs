//! Operations on a tree against a sorted map: the tree is always the one that is built from the map.
#![no_main]

use std::collections::BTreeMap;

use atproto_data::Cid;
use atproto_repo::{Action, Operation, Tree};
use libfuzzer_sys::fuzz_target;

/// The most operations in one run, so that it stays quick.
const MOST_OPERATIONS: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let mut model: BTreeMap<Vec<u8>, Cid> = BTreeMap::new();
    let mut tree = Tree::empty();
    for (number, choice) in bytes.chunks_exact(2).take(MOST_OPERATIONS).enumerate() {
        let key = format!("com.example.{}/{:x}", choice[0] % 3, choice[0]).into_bytes();
        let cid = Cid::of_dag_cbor(&number.to_be_bytes());
        let action = match (model.contains_key(&key), choice[1] % 2) {
            (false, _) => Action::Create(cid),
            (true, 0) => Action::Update(cid),
            (true, _) => Action::Delete,
        };
        match action {
            Action::Create(cid) | Action::Update(cid) => drop(model.insert(key.clone(), cid)),
            Action::Delete => drop(model.remove(&key)),
        }
        tree = tree.apply(&[Operation { key, action }]).expect("it fits the model");
    }
    let built = Tree::from_sorted(model.iter().map(|(key, cid)| (key, *cid))).expect("the model is sorted");
    assert_eq!(tree.root(), built.root());
    assert_eq!(tree.len(), model.len() as u64);
});
