//! Measures the MST on this machine: `cargo run -p atproto-repo --release --example mst_speed`.

use atproto_data::Cid;
use atproto_repo::mst::TreeItem;
use atproto_repo::{Action, MstError, Operation, Tree};
use std::hint::black_box;
use std::time::Instant;

const INSERTS: u32 = 20_000;

fn main() -> Result<(), MstError> {
    for records in [1_000, 10_000, 100_000, 1_000_000] {
        measure(records)?;
    }
    Ok(())
}

/// A key like a post's: the collections take turns, the rkeys are TIDs some seconds apart.
fn key(number: u32) -> Vec<u8> {
    let collection = ["app.bsky.feed.like", "app.bsky.feed.post", "app.bsky.graph.follow"][number as usize % 3];
    let mut rkey = [0; 13];
    let mut rest = 1_700_000_000_000_000_u64 * 1_024 + u64::from(number) * 7_919 * 1_024_000;
    for character in rkey.iter_mut().rev() {
        *character = b"234567abcdefghijklmnopqrstuvwxyz"[(rest % 32) as usize];
        rest /= 32;
    }
    [collection.as_bytes(), b"/", &rkey].concat()
}

fn measure(records: u32) -> Result<(), MstError> {
    let mut pairs: Vec<(Vec<u8>, Cid)> = (0..records)
        .map(|number| (key(number), Cid::of_dag_cbor(&number.to_be_bytes())))
        .collect();
    pairs.sort();

    let start = Instant::now();
    let tree = Tree::from_sorted(pairs.iter().map(|(key, cid)| (key, *cid)))?;
    let rebuild = f64::from(records) / start.elapsed().as_secs_f64();

    let (appended, proof) = inserts(&tree, (0..INSERTS).map(|number| key(records + number)))?;
    let (scattered, _) = inserts(
        &tree,
        (0..INSERTS).map(|number| [&key(number * 31 % records), &b"x"[..]].concat()),
    )?;

    let start = Instant::now();
    for number in 0..INSERTS {
        black_box(tree.get(&pairs[(number * 7_919 % records) as usize].0));
    }
    let get = start.elapsed().as_secs_f64() * 1e6 / f64::from(INSERTS);

    let start = Instant::now();
    let mut bytes = 0;
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        if let TreeItem::Node { bytes: block, .. } = item {
            bytes += block.len();
        }
    }
    let walked = start.elapsed();
    println!(
        "{records:>8} records: rebuild {:.2} M keys/s, insert {appended:.1} µs at the end, {scattered:.1} µs anywhere, \
         covering blocks {proof:.1} µs, get {get:.2} µs, walk {:.2} M records/s ({} node bytes a record), {} heap bytes a record",
        rebuild / 1e6,
        f64::from(records) / walked.as_secs_f64() / 1e6,
        bytes / records as usize,
        tree.heap_bytes() / records as usize,
    );
    Ok(())
}

/// Applies one create after the other; the microseconds of one, and of listing its covering blocks.
fn inserts(tree: &Tree, keys: impl Iterator<Item = Vec<u8>>) -> Result<(f64, f64), MstError> {
    let mut tree = tree.clone();
    let operations: Vec<Operation> = keys
        .map(|key| Operation {
            key,
            action: Action::Create(Cid::of_dag_cbor(b"new")),
        })
        .collect();
    let (mut applying, mut covering) = (0.0, 0.0);
    for operation in &operations {
        let start = Instant::now();
        tree = tree.apply(std::slice::from_ref(operation))?;
        applying += start.elapsed().as_secs_f64();
        let start = Instant::now();
        black_box(tree.covering_blocks([&operation.key]).total_bytes());
        covering += start.elapsed().as_secs_f64();
    }
    let each = 1e6 / f64::from(INSERTS);
    Ok((applying * each, covering * each))
}
