//! Blocks of MST nodes: refused, or in order and within the limits.
#![no_main]

use atproto_repo::mst::{MAX_NODE_ENTRIES, layer_of};
use atproto_repo::verify::DecodedNode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(node) = DecodedNode::decode(bytes) else { return };
    assert!(node.entries.len() <= MAX_NODE_ENTRIES);
    assert!(node.entries.windows(2).all(|pair| pair[0].key < pair[1].key));
    assert!(
        node.entries
            .iter()
            .all(|entry| Some(layer_of(&entry.key)) == node.layer)
    );
});
