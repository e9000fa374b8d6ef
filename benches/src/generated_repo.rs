//! A repo of any number of posts as a CAR.

use atproto_data::crypto::Curve;
use atproto_data::{Cid, Did, SigningKey, Tid, cbor, json};
use atproto_repo::car;
use atproto_repo::commit::UnsignedCommit;
use atproto_repo::mst::{Tree, TreeItem};

use crate::Error;
use crate::requests;

/// µs since 1970 of the first post, and from one to the next.
const FIRST_MICROS: u64 = 1_600_000_000_000_000;
const STEP_MICROS: u64 = 61_000_003;

/// The rkey of a post.
pub(crate) fn rkey(number: u64) -> String {
    Tid::from_parts(FIRST_MICROS + number * STEP_MICROS, 0).to_string()
}

/// The repo of an account. Its commit is signed with a key of the bench's own, which an import only remarks on.
pub(crate) fn car(did: &str, records: u64) -> Result<Vec<u8>, Error> {
    let did: Did = did.parse()?;
    let path = |number| format!("{}/{}", requests::COLLECTION, rkey(number));
    let contents = (0..records).map(|number| {
        Ok(cbor::encode(&json::from_slice(
            requests::post(number).to_string().as_bytes(),
        )?))
    });
    let contents: Vec<Vec<u8>> = contents.collect::<Result<_, Error>>()?;
    let cids: Vec<Cid> = contents.iter().map(|content| Cid::of_dag_cbor(content)).collect();
    let tree = Tree::from_sorted((0..records).map(path).zip(cids.iter().copied()))?;
    let key = SigningKey::from_bytes(Curve::K256, &[1; 32])?;
    let commit = UnsignedCommit {
        did,
        data: tree.root(),
        rev: rkey(records).parse()?,
    }
    .sign(&key);
    let mut out = Vec::new();
    car::write_header(&mut out, Some(&commit.cid));
    car::write_block(&mut out, &commit.cid, &commit.bytes);
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        if let TreeItem::Node { cid, bytes } = item {
            car::write_block(&mut out, &cid, bytes);
        }
    }
    for (cid, content) in cids.iter().zip(&contents) {
        car::write_block(&mut out, cid, content);
    }
    Ok(out)
}
