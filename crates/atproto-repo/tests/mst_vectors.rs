//! The protocol's shared vectors for the MST, and mined keys.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use atproto_data::Cid;
use atproto_repo::mst::{MAX_NODE_ENTRIES, common_prefix_length, layer_of};
use atproto_repo::verify::invert;
use atproto_repo::{Action, MstError, Operation, RepoOp, RepoOpAction, Tree};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

const VALUE: &str = "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454";

fn json(path: &str) -> Option<Value> {
    support::vector(path).map(|text| serde_json::from_str(&text).unwrap())
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap())
        .collect()
}

fn tree_of_keys(keys: &[&str]) -> Tree {
    let value: Cid = VALUE.parse().unwrap();
    let sorted: BTreeMap<&str, Cid> = keys.iter().map(|key| (*key, value)).collect();
    Tree::from_sorted(sorted).unwrap()
}

/// Roots that other implementations' tests agree on.
#[test]
fn known_trees_have_their_roots() {
    let key = |rkey: &str| format!("com.example.record/{rkey}");
    let keys = [
        "3jqfcqzm3fp2j",
        "3jqfcqzm3fr2j",
        "3jqfcqzm3fs2j",
        "3jqfcqzm3ft2j",
        "3jqfcqzm4fc2j",
    ]
    .map(key);
    let five: Vec<&str> = keys.iter().map(String::as_str).collect();
    for (keys, root) in [
        (vec![], "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"),
        (
            vec!["com.example.record/3jqfcqzm3fo2j"],
            "bafyreibj4lsc3aqnrvphp5xmrnfoorvru4wynt6lwidqbm2623a6tatzdu",
        ),
        (
            vec!["com.example.record/3jqfcqzm3fx2j"],
            "bafyreih7wfei65pxzhauoibu3ls7jgmkju4bspy4t2ha2qdjnzqvoy33ai",
        ),
        (five, "bafyreicmahysq4n6wfuxo522m6dpiy7z7qzym3dzs756t5n7nfdgccwq7m"),
    ] {
        assert_eq!(tree_of_keys(&keys).root().to_string(), root, "{keys:?}");
    }
}

#[test]
fn key_heights() {
    let Some(cases) = json("atproto/mst/key_heights.json") else {
        return;
    };
    for case in cases.as_array().unwrap() {
        let key = case["key"].as_str().unwrap();
        assert_eq!(
            u64::from(layer_of(key.as_bytes())),
            case["height"].as_u64().unwrap(),
            "{key}"
        );
    }
}

#[test]
fn common_prefixes() {
    let Some(cases) = json("atproto/mst/common_prefix.json") else {
        return;
    };
    for case in cases.as_array().unwrap() {
        let (left, right) = (case["left"].as_str().unwrap(), case["right"].as_str().unwrap());
        let length = common_prefix_length(left.as_bytes(), right.as_bytes());
        assert_eq!(length as u64, case["len"].as_u64().unwrap(), "{left} {right}");
    }
}

/// The second character of an example key is its layer.
#[test]
fn example_keys() {
    let Some(text) = support::vector("atproto/mst/example_keys.txt") else {
        return;
    };
    let keys: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    for key in &keys {
        assert_eq!(
            format!("{:x}", layer_of(key.as_bytes())),
            key[1..2].to_lowercase(),
            "{key}"
        );
    }
    let built = tree_of_keys(&keys);
    let value: Cid = VALUE.parse().unwrap();
    let one_by_one = keys.iter().rev().fold(Tree::empty(), |tree, key| {
        tree.apply(&[Operation {
            key: key.as_bytes().into(),
            action: Action::Create(value),
        }])
        .unwrap()
    });
    assert_eq!(built.root(), one_by_one.root());
    assert_eq!(built.len(), keys.len() as u64);
}

#[test]
fn commit_proofs() {
    let Some(cases) = json("atproto/firehose/commit-proof-fixtures.json") else {
        return;
    };
    for case in cases.as_array().unwrap() {
        let (adds, dels) = (strings(&case["adds"]), strings(&case["dels"]));
        let value: Cid = case["leafValue"].as_str().unwrap().parse().unwrap();
        let before = tree_of_keys(&strings(&case["keys"]));
        assert_eq!(before.root().to_string(), case["rootBeforeCommit"].as_str().unwrap());
        let created = adds.iter().map(|key| (*key, RepoOpAction::Create, Some(value), None));
        let deleted = dels.iter().map(|key| (*key, RepoOpAction::Delete, None, Some(value)));
        let ops: Vec<RepoOp> = created
            .chain(deleted)
            .map(|(path, action, cid, prev)| RepoOp {
                action,
                path: path.to_owned(),
                cid,
                prev,
            })
            .collect();
        let operations: Vec<Operation> = ops
            .iter()
            .map(|op| Operation {
                key: op.path.as_bytes().into(),
                action: op.cid.map_or(Action::Delete, Action::Create),
            })
            .collect();
        let after = before.apply(&operations).unwrap();
        assert_eq!(after.root().to_string(), case["rootAfterCommit"].as_str().unwrap());
        let proof = after.covering_blocks(ops.iter().map(|op| &op.path)).unwrap();
        let mut cids: Vec<String> = proof.iter().map(|block| block.cid.to_string()).collect();
        let mut expected = strings(&case["blocksInProof"]);
        cids.sort();
        expected.sort_unstable();
        assert_eq!(cids, expected, "{}", case["comment"]);
        let blocks: HashMap<Cid, Vec<u8>> = proof.iter().map(|block| (*block.cid, block.bytes.to_vec())).collect();
        invert(&blocks, after.root(), &ops, before.root()).unwrap();
    }
}

/// Keys mined to be deep work like others; keys mined to make one node wide are refused beyond the limit, whichever way they
/// come, and deleting them brings back the tree there was.
#[test]
fn mined_keys() {
    let Some(vector) = json("hostile/mst-keys.json") else {
        return;
    };
    let collection = vector["collection"].as_str().unwrap();
    let value: Cid = VALUE.parse().unwrap();
    let key = |rkey: &&str| format!("{collection}/{rkey}").into_bytes();
    let create = |key: &Vec<u8>| Operation {
        key: key.clone(),
        action: Action::Create(value),
    };
    let delete = |key: &Vec<u8>| Operation {
        key: key.clone(),
        action: Action::Delete,
    };

    let mut deep = Vec::new();
    for (layer, rkeys) in vector["deep"].as_object().unwrap() {
        let keys: Vec<Vec<u8>> = strings(rkeys).iter().map(key).collect();
        assert!(keys.iter().all(|key| layer_of(key).to_string() == *layer), "{layer}");
        deep.extend(keys);
    }
    let created: Vec<Operation> = deep.iter().map(create).collect();
    let tree = Tree::empty().apply(&created).unwrap();
    deep.sort();
    assert_eq!(
        Tree::from_sorted(deep.iter().map(|key| (key, value))).unwrap().root(),
        tree.root()
    );
    let deleted: Vec<Operation> = deep.iter().map(delete).collect();
    assert_eq!(tree.apply(&deleted).unwrap().root(), Tree::empty().root());

    let wide: Vec<Vec<u8>> = strings(&vector["wide_depth0"]).iter().map(key).collect();
    assert!(wide.len() > MAX_NODE_ENTRIES && wide.iter().all(|key| layer_of(key) == 0));
    let operations: Vec<Operation> = wide.iter().map(create).collect();
    let full = Tree::empty().apply(&operations[..MAX_NODE_ENTRIES]).unwrap();
    assert_eq!(full.len(), MAX_NODE_ENTRIES as u64);
    assert_eq!(full.get(&wide[0]), Ok(Some(value)));
    let refused = MstError::TooWide { layer: 0 };
    assert_eq!(
        full.apply(&operations[MAX_NODE_ENTRIES..=MAX_NODE_ENTRIES])
            .unwrap_err(),
        refused
    );
    assert_eq!(
        Tree::from_sorted(wide.iter().map(|key| (key, value))).unwrap_err(),
        refused
    );
}
