//! Writes inputs that are valid, for the targets that would hardly come upon one: `seeds DIRECTORY` makes `DIRECTORY/<target>/seed-<number>`.

use std::error::Error;
use std::path::PathBuf;

use atproto_data::crypto::Curve;
use atproto_data::{Cid, Did, SigningKey, Tid, Value, json};
use atproto_repo::car::{write_block, write_header};
use atproto_repo::frame::{account_event, commit_event, error_frame, identity_event, info_frame, sync_event};
use atproto_repo::{AccountStatus, CommitEvent, RepoOp, RepoOpAction, SignedCommit, Tree, UnsignedCommit};

/// Valid records, one of every collection, and their keys.
const RECORDS: &[u8] = include_bytes!("../crates/atproto-lexicon/tests/examples/records.json");
/// Enough for a tree of several layers.
const TREE_KEYS: u8 = 40;
const TIME: &str = "2026-01-02T03:04:05.678Z";

/// A target and an input for it.
type Seed = (&'static str, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: seeds DIRECTORY")?);
    let seeds = [repo_seeds()?, record_seeds()?].concat();
    for (number, (target, bytes)) in seeds.into_iter().enumerate() {
        let directory = directory.join(target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(format!("seed-{number}")), bytes)?;
    }
    Ok(())
}

/// A repo as nodes, CAR and frames.
fn repo_seeds() -> Result<Vec<Seed>, Box<dyn Error>> {
    let did: Did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse()?;
    let keys: Vec<String> = (0..TREE_KEYS)
        .map(|number| format!("com.example.note/{number:03}"))
        .collect();
    let tree = Tree::from_sorted(keys.iter().map(|key| (key, Cid::of_dag_cbor(key.as_bytes()))))?;
    let commit = UnsignedCommit {
        did: did.clone(),
        data: tree.root(),
        rev: Tid::from_parts(3, 3),
    };
    let commit = commit.sign(&SigningKey::from_bytes(Curve::K256, &[7; 32])?);
    let covering = tree.covering_blocks(keys.first())?;
    let mut car = Vec::new();
    write_header(&mut car, Some(&commit.cid));
    write_block(&mut car, &commit.cid, &commit.bytes);
    for block in covering.iter() {
        write_block(&mut car, block.cid, block.bytes);
    }
    let mut seeds: Vec<Seed> = covering
        .iter()
        .map(|block| ("mst_node", block.bytes.to_vec()))
        .collect();
    seeds.extend(frames(&did, &commit, &car).into_iter().map(|frame| ("frame", frame)));
    seeds.extend([("cbor", commit.bytes), ("car", car)]);
    Ok(seeds)
}

/// A frame of every kind.
fn frames(did: &Did, commit: &SignedCommit, car: &[u8]) -> Vec<Vec<u8>> {
    let op = |action, cid, prev| RepoOp {
        action,
        path: "com.example.note/000".to_owned(),
        cid,
        prev,
    };
    let some = Some(commit.cid);
    let rev = Tid::from_parts(3, 3);
    let commit = CommitEvent {
        did,
        commit: &commit.cid,
        rev,
        since: Some(Tid::from_parts(2, 3)),
        prev_data: Some(&commit.cid),
        ops: &[
            op(RepoOpAction::Create, some, None),
            op(RepoOpAction::Update, some, some),
            op(RepoOpAction::Delete, None, some),
        ],
        blocks: car,
    };
    vec![
        commit_event(&commit).frame(1, TIME),
        sync_event(did, rev, car).frame(2, TIME),
        identity_event(did, None).frame(3, TIME),
        account_event(did, None).frame(4, TIME),
        account_event(did, Some(AccountStatus::Deleted)).frame(5, TIME),
        info_frame("OutdatedCursor", "too old"),
        error_frame("FutureCursor", "ahead"),
    ]
}

/// Records, as records with their keys and as any JSON.
fn record_seeds() -> Result<Vec<Seed>, Box<dyn Error>> {
    let records = json::from_slice(RECORDS)?;
    let records = records.as_array().unwrap_or_default();
    let both = |record: &Value| ["record", "json"].map(|target| (target, json::to_vec(record)));
    Ok(records.iter().flat_map(both).collect())
}
