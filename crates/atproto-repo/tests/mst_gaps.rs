//! Trees of which only the upper layers and what is needed are loaded, against whole ones.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use atproto_data::Cid;
use atproto_repo::mst::{Builder, Gap, MstError, SkeletonChanges, SkeletonEntry, Subtree, TreeItem, layer_of};
use atproto_repo::{Operation, Tree};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};
use support::{Model, TOP_LAYER, cid, key_pool, nodes, operate, tree_of};

/// Choices of keys of the pool and of what happens to them.
type Changes = Vec<(Vec<u8>, u32)>;

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    (0..key_pool().len()).prop_map(|index| key_pool()[index].clone())
}

fn any_model() -> impl Strategy<Value = Model> {
    btree_map(any_key(), any::<u32>().prop_map(cid), 0..60)
}

fn any_layer() -> impl Strategy<Value = u8> {
    1..=TOP_LAYER
}

fn any_commits() -> impl Strategy<Value = Vec<Changes>> {
    vec(vec((any_key(), any::<u32>()), 1..8), 1..8)
}

/// The records in a gap.
fn load(model: &Model, gap: &Gap) -> Result<Subtree, MstError> {
    let inside = |key: &[u8]| {
        gap.after.as_deref().is_none_or(|after| key > after) && gap.before.as_deref().is_none_or(|before| key < before)
    };
    gap.subtree(
        model
            .iter()
            .filter(|(key, _)| inside(key))
            .map(|(key, cid)| (key, *cid)),
    )
}

fn fill<'k>(tree: &Tree, model: &Model, keys: impl IntoIterator<Item = &'k [u8]>) -> Tree {
    let fill = |tree: Tree, gap: &Gap| tree.fill(gap, &load(model, gap).unwrap()).unwrap();
    tree.gaps(keys).iter().fold(tree.clone(), fill)
}

/// A skeleton as a table holds it.
type Table = BTreeMap<Option<Box<[u8]>>, SkeletonEntry>;

fn table(entries: Vec<SkeletonEntry>) -> Table {
    let key = |entry: &SkeletonEntry| entry.record.as_ref().map(|(key, _)| key.clone());
    entries.into_iter().map(|entry| (key(&entry), entry)).collect()
}

fn change(table: &mut Table, changes: SkeletonChanges) {
    for key in changes.deletes {
        table.remove(&Some(key));
    }
    table.extend(self::table(changes.puts));
}

/// What a walk shows, with every gap filled in on the way.
fn walked(tree: &Tree, model: &Model) -> Vec<String> {
    let mut seen = Vec::new();
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        match item {
            TreeItem::Gap(gap) => {
                let subtree = load(model, gap).unwrap();
                walk.enter(subtree);
            }
            item => seen.push(format!("{item:?}")),
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_skeleton_gives_its_tree(model in any_model(), layer in any_layer()) {
        let whole = tree_of(&model);
        let skeleton = whole.skeleton(layer).unwrap();
        prop_assert_eq!(whole.has_skeleton(layer), !skeleton.is_empty());
        prop_assert_eq!(whole.has_skeleton(layer), model.keys().any(|key| layer_of(key) >= layer));
        let cut = whole.cut(layer);
        prop_assert_eq!((cut.root(), cut.len(), cut.node_count()), (whole.root(), whole.len(), whole.node_count()));
        prop_assert_eq!(walked(&cut, &model), walked(&whole, &model));
        if skeleton.is_empty() {
            prop_assert_eq!(cut.heap_bytes(), whole.heap_bytes());
            return Ok(());
        }
        let tree = Tree::from_skeleton(skeleton.clone(), layer).unwrap();
        prop_assert_eq!((tree.root(), tree.len(), tree.node_count()), (whole.root(), whole.len(), whole.node_count()));
        prop_assert_eq!(tree.heap_bytes(), cut.heap_bytes());
        prop_assert_eq!(tree.skeleton(layer).unwrap(), skeleton);
        prop_assert_eq!(fill(&tree, &model, model.keys().map(Vec::as_slice)).heap_bytes(), whole.heap_bytes());
    }

    #[test]
    fn a_builder_that_is_cut_on_the_way_gives_the_cut_tree(model in any_model(), layer in any_layer(), at in 0..60_usize) {
        let mut builder = Builder::new();
        for (index, (key, cid)) in model.iter().enumerate() {
            if index == at {
                builder.cut(layer);
            }
            builder.push(key, *cid).unwrap();
        }
        builder.cut(layer);
        let (built, cut) = (builder.finish().unwrap(), tree_of(&model).cut(layer));
        prop_assert_eq!((built.root(), built.heap_bytes()), (cut.root(), cut.heap_bytes()));
    }

    #[test]
    fn a_tree_with_gaps_does_what_the_whole_one_does(
        before in any_model(), commits in any_commits(), layer in any_layer(),
    ) {
        let (mut model, mut whole) = (before.clone(), tree_of(&before));
        let mut tree = whole.cut(layer);
        let mut stored = table(whole.skeleton(layer).unwrap());
        for changes in &commits {
            let keys = || changes.iter().map(|(key, _)| key.as_slice());
            let old = fill(&tree, &model, keys());
            for key in keys() {
                prop_assert_eq!(old.get(key), whole.get(key));
                prop_assert_eq!(old.nearest(key), whole.nearest(key));
            }
            let operations: Vec<Operation> =
                changes.iter().map(|(key, choice)| operate(&mut model, key, *choice).0).collect();
            whole = whole.apply(&operations).unwrap();
            tree = old.apply(&operations).unwrap();
            prop_assert_eq!(tree.root(), whole.root());
            prop_assert!(tree.gaps(keys()).is_empty());
            let covering = |tree: &Tree| {
                let covering = tree.covering_blocks(keys()).unwrap();
                covering.iter().map(|block| (*block.cid, block.bytes.to_vec())).collect::<Vec<_>>()
            };
            prop_assert_eq!(covering(&tree), covering(&whole));
            for key in keys() {
                prop_assert_eq!(tree.proof(key), whole.proof(key));
                prop_assert_eq!(tree.get(key), whole.get(key));
                prop_assert_eq!(tree.nearest(key), whole.nearest(key));
            }
            if stored.is_empty() {
                stored = table(tree.skeleton(layer).unwrap());
            } else if tree.has_skeleton(layer) {
                change(&mut stored, tree.skeleton_changes(keys(), layer).unwrap());
            } else {
                stored.clear();
            }
            prop_assert_eq!(&stored, &table(whole.skeleton(layer).unwrap()));
        }
        prop_assert_eq!(walked(&tree, &model), walked(&whole, &model));
    }

    #[test]
    fn what_is_not_loaded_is_never_guessed(model in any_model(), layer in any_layer(), choice in any::<u32>()) {
        let whole = tree_of(&model);
        let cut = whole.cut(layer);
        for key in key_pool() {
            let gaps = cut.gaps([key]);
            if let Ok(found) = cut.get(key) {
                prop_assert_eq!(Ok(found), whole.get(key));
            }
            let mut after = model.clone();
            let (operation, _) = operate(&mut after, key, choice);
            match cut.apply(std::slice::from_ref(&operation)) {
                Ok(tree) => prop_assert_eq!(tree.root(), tree_of(&after).root()),
                Err(error) => prop_assert!(matches!(error, MstError::NotLoaded(_)) && !gaps.is_empty(), "{error}"),
            }
            prop_assert_eq!(cut.covering_blocks([key]).is_err(), !gaps.is_empty());
            for gap in gaps {
                prop_assert_eq!(gap.subtree([(key, cid(choice))]).unwrap_err(), MstError::Mismatch);
                let subtree = load(&model, &gap).unwrap();
                prop_assert_eq!(whole.fill(&gap, &subtree).unwrap().root(), whole.root());
            }
        }
    }

    #[test]
    fn every_cid_is_found_behind_gaps_too(model in any_model(), layer in any_layer()) {
        let whole = tree_of(&model);
        let wanted: HashSet<Cid> = nodes(&whole).into_keys().chain(model.values().copied()).collect();
        let found = whole.cut(layer).find(&wanted, |gap| load(&model, gap)).unwrap();
        prop_assert_eq!(&found, &whole.find(&wanted, |gap| Err(gap.clone())).unwrap());
        prop_assert_eq!(found.len(), wanted.len());
    }

    #[test]
    fn a_skeleton_that_lacks_something_is_none(model in any_model(), layer in any_layer(), missing in any::<usize>()) {
        let whole = tree_of(&model);
        let mut skeleton = whole.skeleton(layer).unwrap();
        prop_assume!(!skeleton.is_empty());
        let missing = skeleton.remove(missing % skeleton.len());
        prop_assume!(missing.record.is_some() || missing.subtree.is_some());
        if let Ok(tree) = Tree::from_skeleton(skeleton, layer) {
            prop_assert_ne!(tree.root(), whole.root());
        }
    }
}

#[test]
fn a_skeleton_has_records_on_its_layers_only() {
    let low = key_pool().iter().find(|key| layer_of(key) == 1).unwrap();
    let entry = SkeletonEntry {
        record: Some((low.as_slice().into(), cid(1))),
        subtree: None,
    };
    assert_eq!(Tree::from_skeleton([entry.clone()], 1).unwrap().len(), 1);
    assert_eq!(Tree::from_skeleton([entry], 2).unwrap_err(), MstError::Mismatch);
    assert_eq!(Tree::from_skeleton([], 1).unwrap_err(), MstError::Mismatch);
    assert_eq!(Tree::from_skeleton([], 0).unwrap_err(), MstError::Mismatch);
}
