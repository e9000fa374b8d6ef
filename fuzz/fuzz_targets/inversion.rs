//! Inverting a commit: on its own blocks it leads back to the tree before; on damaged ones it never leads there wrongly.
#![no_main]

use std::collections::HashMap;

use atproto_data::Cid;
use atproto_repo::verify::invert;
use atproto_repo::{Action, Operation, RepoOp, RepoOpAction, Tree};
use libfuzzer_sys::fuzz_target;

fn key(number: u8) -> String {
    format!("com.example.{}/{number:x}", number % 3)
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>, u8, u16, u8)| {
    let (mut before, mut changed, block, position, damage) = input;
    before.sort_unstable_by_key(|number| key(*number));
    before.dedup();
    changed.truncate(20);
    let cid = |number: u8| Cid::of_dag_cbor(&[number]);
    let old = Tree::from_sorted(before.iter().map(|number| (key(*number), cid(*number)))).expect("sorted");
    let mut operations = Vec::new();
    let mut ops = Vec::new();
    let mut present = before.clone();
    for number in changed {
        let is_there = present.contains(&number);
        let (action, repo_action, prev) = if is_there {
            present.retain(|other| *other != number);
            (Action::Delete, RepoOpAction::Delete, Some(cid(number)))
        } else {
            present.push(number);
            (Action::Create(cid(number)), RepoOpAction::Create, None)
        };
        ops.push(RepoOp {
            action: repo_action,
            path: key(number),
            cid: (!is_there).then(|| cid(number)),
            prev,
        });
        operations.push(Operation {
            key: key(number).into_bytes(),
            action,
        });
    }
    let new = old.apply(&operations).expect("the operations fit");
    let covering = new
        .covering_blocks(operations.iter().map(|operation| &operation.key))
        .expect("the tree is whole");
    let mut blocks: HashMap<Cid, Vec<u8>> = covering
        .iter()
        .map(|block| (*block.cid, block.bytes.to_vec()))
        .collect();
    assert_eq!(invert(&blocks, new.root(), &ops, old.root()), Ok(()));
    let mut cids: Vec<Cid> = blocks.keys().copied().collect();
    cids.sort_unstable();
    if let Some(cid) = cids.get(usize::from(block) % cids.len().max(1))
        && let Some(bytes) = blocks.get_mut(cid)
    {
        let at = usize::from(position) % bytes.len();
        bytes[at] ^= damage;
        // Any outcome but a panic: whoever reads a CAR has checked the blocks' CIDs before.
        let _ = invert(&blocks, new.root(), &ops, old.root());
    }
});
