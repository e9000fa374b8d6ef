//! Blocks of nodes that others made: refused, or in order and within the limits.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use atproto_data::Cid;
use atproto_repo::mst::{MAX_NODE_ENTRIES, layer_of};
use atproto_repo::verify::{DecodedNode, TreeStep, TreeWalk};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use support::{Model, cid, key_pool, nodes, tree_of};

fn any_model() -> impl Strategy<Value = Model> {
    let key = (0..key_pool().len()).prop_map(|index| key_pool()[index].clone());
    btree_map(key, any::<u32>().prop_map(cid), 1..40)
}

fn check(block: &[u8]) {
    if let Ok(node) = DecodedNode::decode(block) {
        assert!(node.entries.len() <= MAX_NODE_ENTRIES);
        assert!(node.entries.windows(2).all(|pair| pair[0].key < pair[1].key));
        let layers = node.entries.iter().map(|entry| Some(layer_of(&entry.key)));
        assert!(layers.into_iter().all(|layer| layer == node.layer));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes_are_no_node_or_one_in_order(bytes in vec(any::<u8>(), 0..200)) {
        check(&bytes);
        check(&[b"\xa2\x61e\x81", bytes.as_slice()].concat());
    }

    #[test]
    fn damaged_nodes_are_refused_or_in_order(model in any_model(), which in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let nodes = nodes(&tree_of(&model));
        let mut cids: Vec<Cid> = nodes.keys().copied().collect();
        cids.sort_unstable();
        let mut block = nodes[which.get(&cids)].clone();
        let position = at.index(block.len());
        block[position] = byte;
        check(&block);
        check(&block[..position]);
    }

    #[test]
    fn a_walk_over_damaged_nodes_ends(model in any_model(), which in any::<Index>(), at in any::<Index>(), bit in 0..8) {
        let tree = tree_of(&model);
        let mut nodes = nodes(&tree);
        let mut cids: Vec<Cid> = nodes.keys().copied().collect();
        cids.sort_unstable();
        let block = nodes.get_mut(which.get(&cids)).unwrap();
        let position = at.index(block.len());
        block[position] ^= 1_u8 << bit;
        let mut walk = TreeWalk::new(tree.root());
        let mut steps = 0;
        while let Some(step) = walk.advance() {
            steps += 1;
            prop_assert!(steps <= 100 * (model.len() + cids.len()));
            if let TreeStep::Node(cid) = step {
                let Some(block) = nodes.get(&cid) else { break };
                if walk.open(block).is_err() {
                    break;
                }
            }
        }
    }
}
