//! The tree against a sorted map, on keys chosen to be awkward.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use atproto_data::Cid;
use atproto_repo::mst::Found;
use atproto_repo::{Action, MstError, Operation, Tree};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::HashSet;
use support::{Model, cid, key_pool, nodes, operate, read_records, records, tree_of};

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    (0..key_pool().len()).prop_map(|index| key_pool()[index].clone())
}

fn any_model() -> impl Strategy<Value = Model> {
    btree_map(any_key(), any::<u32>().prop_map(cid), 0..40)
}

fn any_changes() -> impl Strategy<Value = Vec<(Vec<u8>, u32)>> {
    vec((any_key(), any::<u32>()), 0..30)
}

fn create(key: &str) -> Operation {
    Operation {
        key: key.into(),
        action: Action::Create(cid(1)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn applying_operations_is_building_from_their_result(before in any_model(), changes in any_changes()) {
        let mut after = before.clone();
        let operations: Vec<Operation> =
            changes.iter().map(|(key, choice)| operate(&mut after, key, *choice).0).collect();
        let old = tree_of(&before);
        let new = old.apply(&operations).unwrap();
        let built = tree_of(&after);
        prop_assert_eq!(new.root(), built.root());
        prop_assert_eq!((new.len(), new.heap_bytes()), (after.len() as u64, built.heap_bytes()));
        prop_assert_eq!(records(&old), records(&tree_of(&before)));
    }

    #[test]
    fn a_tree_holds_what_its_model_holds(model in any_model()) {
        let tree = tree_of(&model);
        for key in key_pool() {
            prop_assert_eq!(tree.get(key).unwrap(), model.get(key).copied());
        }
        let all: Vec<(Vec<u8>, Cid)> = model.clone().into_iter().collect();
        prop_assert_eq!(records(&tree), all.clone());
        let mut read = Vec::new();
        read_records(&nodes(&tree), tree.root(), None, &mut read);
        prop_assert_eq!(read, all);
    }

    #[test]
    fn old_and_covering_blocks_make_the_new_tree(before in any_model(), changes in any_changes()) {
        let mut after = before.clone();
        let operations: Vec<Operation> =
            changes.iter().map(|(key, choice)| operate(&mut after, key, *choice).0).collect();
        let (old, new) = (tree_of(&before), tree_of(&before).apply(&operations).unwrap());
        let covering = new.covering_blocks(operations.iter().map(|operation| &operation.key)).unwrap();
        let cids: Vec<&Cid> = covering.iter().map(|block| block.cid).collect();
        prop_assert_eq!(cids.iter().collect::<HashSet<_>>().len(), cids.len());
        let (old_nodes, new_nodes) = (nodes(&old), nodes(&new));
        prop_assert!(cids.iter().all(|cid| new_nodes.contains_key(cid)));
        prop_assert!(
            operations.is_empty() || new_nodes.keys().all(|cid| covering.contains(cid) || old_nodes.contains_key(cid))
        );
    }

    #[test]
    fn a_proof_is_the_way_to_the_key(model in any_model(), key in any_key()) {
        let tree = tree_of(&model);
        let proof = tree.proof(&key).unwrap();
        let mut expected = Some(tree.root());
        for block in &proof {
            prop_assert_eq!(Some(*block.cid), expected);
            let node = atproto_repo::verify::DecodedNode::decode(block.bytes).unwrap();
            let index = node.entries.partition_point(|entry| *entry.key < *key);
            expected = node.children().nth(index).unwrap();
            if let Some(entry) = node.entries.get(index).filter(|entry| *entry.key == *key) {
                prop_assert_eq!(Some(&entry.value), model.get(&key));
                return Ok(());
            }
        }
        prop_assert_eq!(expected, None);
        prop_assert_eq!(model.get(&key), None);
    }

    #[test]
    fn every_cid_is_found(model in any_model()) {
        let tree = tree_of(&model);
        let nodes = nodes(&tree);
        prop_assert_eq!(tree.node_count(), nodes.len() as u64);
        let wanted: HashSet<Cid> = nodes.keys().chain(model.values()).copied().chain([Cid::of_raw(b"absent")]).collect();
        let found = tree.find(&wanted, |gap| Err(gap.clone())).unwrap();
        prop_assert_eq!(found.len(), wanted.len() - 1);
        for (cid, found) in found {
            match found {
                Found::Node(block) => prop_assert_eq!(&*block, nodes[&cid].as_slice()),
                Found::Record { key } => prop_assert_eq!(model[&*key], cid),
            }
        }
    }
}

#[test]
fn operations_that_do_not_fit_are_refused() {
    let tree = Tree::empty().apply(&[create("a/b")]).unwrap();
    let at = |key: &str, action| Operation {
        key: key.into(),
        action,
    };
    let missing = MstError::Missing { key: "a/c".into() };
    assert_eq!(
        tree.apply(&[create("a/b")]).unwrap_err(),
        MstError::Exists { key: "a/b".into() }
    );
    assert_eq!(tree.apply(&[at("a/c", Action::Delete)]).unwrap_err(), missing);
    assert_eq!(tree.apply(&[at("a/c", Action::Update(cid(2)))]).unwrap_err(), missing);
    assert_eq!(Tree::empty().apply(&[at("a/c", Action::Delete)]).unwrap_err(), missing);
    assert!(matches!(tree.apply(&[create("no slash")]), Err(MstError::Key { .. })));
    assert_eq!(tree.get(b"a/b").unwrap(), Some(cid(1)));
}

#[test]
fn the_same_key_may_occur_twice() {
    let tree = Tree::empty().apply(&[create("a/b")]).unwrap();
    let delete = Operation {
        key: b"a/b".to_vec(),
        action: Action::Delete,
    };
    assert_eq!(
        tree.apply(&[delete.clone(), create("a/b")]).unwrap().root(),
        tree.root()
    );
    assert_eq!(tree.apply(&[delete]).unwrap().root(), Tree::empty().root());
}

#[test]
fn unsorted_records_are_refused() {
    let pairs = |keys: [&'static str; 2]| Tree::from_sorted(keys.map(|key| (key, cid(0))));
    assert_eq!(
        pairs(["a/b", "a/b"]).unwrap_err(),
        MstError::NotSorted { key: "a/b".into() }
    );
    assert_eq!(
        pairs(["a/c", "a/b"]).unwrap_err(),
        MstError::NotSorted { key: "a/b".into() }
    );
    assert!(matches!(
        pairs(["a/b", "a"]),
        Err(MstError::Key { .. } | MstError::NotSorted { .. })
    ));
}

/// A cached tree is to cost about 110 bytes a record.
#[test]
fn a_tree_is_small() {
    let keys = (0..20_000_u32).map(|number| format!("app.bsky.feed.post/3{:011x}2", u64::from(number) * 7_654_321));
    let tree = Tree::from_sorted(keys.map(|key| (key, cid(7)))).unwrap();
    let per_record = tree.heap_bytes() as u64 / tree.len();
    assert!((70..130).contains(&per_record), "{per_record}");
}
