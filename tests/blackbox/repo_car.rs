//! CARs of repos, verified from the bytes up.

use std::collections::{BTreeMap, HashMap, HashSet};

use atproto_data::{Cid, Did, PublicKey, Tid};
use atproto_repo::Commit;
use atproto_repo::car::CarReader;
use atproto_repo::mst::{Tree, TreeItem};
use atproto_repo::verify::DecodedNode;

/// The blocks of a CAR by CID.
pub(crate) type Blocks = HashMap<Cid, Vec<u8>>;

/// A whole repo, every bit of it verified.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VerifiedRepo {
    pub(crate) commit: Cid,
    pub(crate) rev: Tid,
    pub(crate) data: Cid,
    /// CID of every record by its path.
    pub(crate) records: BTreeMap<String, Cid>,
}

/// Roots, and blocks in their order; hashes are right and no block comes twice.
pub(crate) fn read_car(car: &[u8]) -> (Vec<Cid>, Vec<Cid>, Blocks) {
    let reader = CarReader::new(car).unwrap();
    let roots = reader.roots().to_vec();
    let (mut order, mut blocks) = (Vec::new(), Blocks::new());
    for block in reader {
        let block = block.unwrap();
        assert!(
            blocks.insert(block.cid, block.bytes.to_vec()).is_none(),
            "{} comes twice",
            block.cid
        );
        order.push(block.cid);
    }
    (roots, order, blocks)
}

/// The signed commit that a CAR names as its only root.
pub(crate) fn read_commit(roots: &[Cid], blocks: &Blocks, did: &Did, key: &PublicKey) -> Commit {
    let [root] = roots else {
        panic!("one root, not {roots:?}")
    };
    let commit = Commit::decode(&blocks[root]).unwrap();
    commit.verify(key).unwrap();
    assert_eq!(commit.did, *did);
    assert_eq!(commit.prev, None);
    commit
}

/// Verifies the CAR of `getRepo`: signature, tree, records, the order in which a streaming reader needs the blocks, and that there is
/// nothing else.
pub(crate) fn verify_repo(car: &[u8], did: &Did, key: &PublicKey) -> VerifiedRepo {
    let (roots, order, blocks) = read_car(car);
    let commit = read_commit(&roots, &blocks, did, key);
    let mut records = BTreeMap::new();
    collect_records(&blocks, commit.data, &mut records);
    let tree = Tree::from_sorted(records.iter().map(|(path, cid)| (path.clone(), *cid))).unwrap();
    assert_eq!(tree.root(), commit.data, "the tree is the one that its keys make");
    assert_eq!(
        order,
        expected_order(roots[0], &tree),
        "commit, then the tree in pre-order, nothing else"
    );
    VerifiedRepo {
        commit: roots[0],
        rev: commit.rev,
        data: commit.data,
        records,
    }
}

fn collect_records(blocks: &Blocks, node: Cid, records: &mut BTreeMap<String, Cid>) {
    let node = DecodedNode::decode(&blocks[&node]).unwrap();
    for child in node.children().flatten() {
        collect_records(blocks, child, records);
    }
    for entry in node.entries {
        assert!(blocks.contains_key(&entry.value), "record {} is there", entry.value);
        records.insert(String::from_utf8(entry.key.into()).unwrap(), entry.value);
    }
}

fn expected_order(commit: Cid, tree: &Tree) -> Vec<Cid> {
    let (mut order, mut seen) = (vec![commit], HashSet::new());
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        match item {
            TreeItem::Node { cid, .. } => order.push(cid),
            TreeItem::Leaf { cid, .. } if seen.insert(cid) => order.push(cid),
            TreeItem::Leaf { .. } | TreeItem::Gap(_) => {}
        }
    }
    order
}

/// Verifies the CAR of `sync.getRecord`: what is proven to be at a path, and its bytes.
pub(crate) fn verify_proof(car: &[u8], did: &Did, key: &PublicKey, path: &str) -> Option<(Cid, Vec<u8>)> {
    let (roots, _, blocks) = read_car(car);
    let commit = read_commit(&roots, &blocks, did, key);
    let cid = look_up(&blocks, commit.data, path.as_bytes())?;
    Some((cid, blocks[&cid].clone()))
}

/// Looks a key up in nodes that must all be there.
fn look_up(blocks: &Blocks, node: Cid, key: &[u8]) -> Option<Cid> {
    let node = DecodedNode::decode(blocks.get(&node).expect("every node on the way is in the proof")).unwrap();
    let after = node.entries.partition_point(|entry| &*entry.key <= key);
    let before = after.checked_sub(1).map(|index| &node.entries[index]);
    match before {
        Some(entry) if &*entry.key == key => Some(entry.value),
        Some(entry) => look_up(blocks, entry.subtree?, key),
        None => look_up(blocks, node.left?, key),
    }
}
