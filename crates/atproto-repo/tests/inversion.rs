//! Undoing operations on nothing but the blocks an event carries.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use atproto_data::Cid;
use atproto_repo::verify::{InversionError, PartialTreeRule, invert};
use atproto_repo::{Action, Operation, RepoOp, RepoOpAction, Tree};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::HashMap;
use support::{Model, cid, key_pool, operate, tree_of};

/// What an event says of a commit.
struct Event {
    blocks: HashMap<Cid, Vec<u8>>,
    data: Cid,
    ops: Vec<RepoOp>,
    prev_data: Cid,
}

impl Event {
    fn check(&self) -> Result<(), InversionError> {
        invert(&self.blocks, self.data, &self.ops, self.prev_data)
    }
}

fn repo_op((operation, prev): &(Operation, Option<Cid>)) -> RepoOp {
    let (action, cid) = match operation.action {
        Action::Create(cid) => (RepoOpAction::Create, Some(cid)),
        Action::Update(cid) => (RepoOpAction::Update, Some(cid)),
        Action::Delete => (RepoOpAction::Delete, None),
    };
    RepoOp {
        action,
        path: String::from_utf8(operation.key.clone()).unwrap(),
        cid,
        prev: *prev,
    }
}

fn event(before: &Model, changes: &[(usize, u32)]) -> Event {
    let mut model = before.clone();
    let done: Vec<_> = changes
        .iter()
        .map(|(index, choice)| operate(&mut model, &key_pool()[*index], *choice))
        .collect();
    let operations: Vec<Operation> = done.iter().map(|(operation, _)| operation.clone()).collect();
    let old = tree_of(before);
    let new = old.apply(&operations).unwrap();
    let covering = new
        .covering_blocks(operations.iter().map(|operation| &operation.key))
        .unwrap();
    let blocks = covering
        .iter()
        .map(|block| (*block.cid, block.bytes.to_vec()))
        .collect();
    Event {
        blocks,
        data: new.root(),
        ops: done.iter().map(repo_op).collect(),
        prev_data: old.root(),
    }
}

fn any_model(size: std::ops::Range<usize>) -> impl Strategy<Value = Model> {
    btree_map(
        (0..key_pool().len()).prop_map(|index| key_pool()[index].clone()),
        any::<u32>().prop_map(cid),
        size,
    )
}

fn any_changes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(usize, u32)>> {
    vec((0..key_pool().len(), any::<u32>()), count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn single_operations_invert(before in any_model(0..60), changes in any_changes(1..2)) {
        prop_assert_eq!(event(&before, &changes).check(), Ok(()));
    }

    #[test]
    fn many_operations_invert(before in any_model(0..60), changes in any_changes(0..40)) {
        prop_assert_eq!(event(&before, &changes).check(), Ok(()));
    }

    #[test]
    fn first_records_invert(changes in any_changes(1..10)) {
        prop_assert_eq!(event(&Model::new(), &changes).check(), Ok(()));
    }

    #[test]
    fn a_wrong_event_does_not_pass(before in any_model(1..40), changes in any_changes(1..4)) {
        let mut wrong_prev_data = event(&before, &changes);
        wrong_prev_data.prev_data = cid(0);
        let computed = tree_of(&before).root();
        prop_assert_eq!(wrong_prev_data.check(), Err(InversionError::WrongPreviousData { computed }));
        let mut hidden = event(&before, &changes);
        let last = hidden.ops.pop().unwrap();
        if last.cid != last.prev {
            prop_assert!(hidden.check().is_err());
        }
    }

    #[test]
    fn without_a_block_it_never_passes_wrongly(before in any_model(1..60), changes in any_changes(1..4)) {
        let complete = event(&before, &changes);
        for absent in complete.blocks.keys() {
            let mut blocks = complete.blocks.clone();
            blocks.remove(absent);
            let cut = Event { blocks, ops: complete.ops.clone(), ..complete };
            match cut.check() {
                Ok(()) => prop_assert!(*absent != complete.data),
                Err(InversionError::BlockAbsent { cid, .. }) => prop_assert_eq!(cid, *absent),
                Err(InversionError::Tree(error)) => prop_assert_eq!(error.rule, PartialTreeRule::RootAbsent),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn broken_blocks_never_panic(before in any_model(1..60), changes in any_changes(1..4), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut broken = event(&before, &changes);
        let mut cids: Vec<Cid> = broken.blocks.keys().copied().collect();
        cids.sort();
        let block = broken.blocks.get_mut(&cids[at.index(cids.len())]).unwrap();
        let position = at.index(block.len());
        block[position] ^= 1_u8 << bit;
        // The hash is the caller's to check, so a change that leaves a valid tree may pass; none may panic.
        let _ = broken.check();
    }
}

#[test]
fn a_commit_that_changes_nothing_inverts() {
    let some = Model::from([(key_pool()[0].clone(), cid(1))]);
    for model in [Model::new(), some] {
        let event = event(&model, &[]);
        assert_eq!(event.blocks.len(), 1, "the root alone");
        assert_eq!(event.check(), Ok(()));
    }
}

/// Deletes that take the top layers away, one record after the other until none is left, and creates that bring them back.
#[test]
fn root_layers_come_and_go() {
    let mut model: Model = key_pool().iter().step_by(3).map(|key| (key.clone(), cid(1))).collect();
    let mut keys: Vec<Vec<u8>> = model.keys().cloned().collect();
    keys.sort_by_key(|key| std::cmp::Reverse(atproto_repo::mst::layer_of(key)));
    let order = keys.iter().chain(keys.iter().rev());
    for key in order {
        let index = key_pool().iter().position(|pooled| pooled == key).unwrap();
        assert_eq!(event(&model, &[(index, 1)]).check(), Ok(()));
        operate(&mut model, key, 1);
    }
    assert_eq!(model.len(), keys.len());
}

#[test]
fn operations_must_have_the_cids_of_their_action() {
    let tree = Tree::empty()
        .apply(&[Operation {
            key: b"a/b".to_vec(),
            action: Action::Create(cid(1)),
        }])
        .unwrap();
    let blocks: HashMap<Cid, Vec<u8>> = tree
        .covering_blocks(["a/b"])
        .unwrap()
        .iter()
        .map(|block| (*block.cid, block.bytes.to_vec()))
        .collect();
    let op = |action, cid, prev| RepoOp {
        action,
        path: "a/b".into(),
        cid,
        prev,
    };
    let check = |op| invert(&blocks, tree.root(), &[op], Tree::empty().root());
    let path = || "a/b".to_owned();
    assert_eq!(check(op(RepoOpAction::Create, Some(cid(1)), None)), Ok(()));
    let contradiction = Err(InversionError::Contradiction { path: path() });
    assert_eq!(check(op(RepoOpAction::Create, Some(cid(2)), None)), contradiction);
    assert_eq!(check(op(RepoOpAction::Delete, None, Some(cid(1)))), contradiction);
    let bad = Err(InversionError::BadOperation { path: path() });
    for wrong in [
        op(RepoOpAction::Create, Some(cid(1)), Some(cid(2))),
        op(RepoOpAction::Create, None, None),
        op(RepoOpAction::Update, Some(cid(1)), None),
        op(RepoOpAction::Delete, Some(cid(1)), Some(cid(1))),
        op(RepoOpAction::Delete, None, None),
    ] {
        assert_eq!(check(wrong), bad);
    }
}
