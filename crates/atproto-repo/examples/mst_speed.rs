//! Measures the MST on this machine, in CPU time of the thread (Linux): `cargo run -p atproto-repo --release --example mst_speed`.

use atproto_data::Cid;
use atproto_repo::mst::TreeItem;
use atproto_repo::{Action, Operation, Tree};
use std::error::Error;
use std::hint::black_box;

const INSERTS: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    for records in [1_000, 10_000, 100_000, 1_000_000] {
        measure(records)?;
    }
    Ok(())
}

/// What a piece of work gives, and the seconds of CPU it took; a busy machine does not disturb them much.
fn timed<T>(work: impl FnOnce() -> T) -> Result<(T, f64), Box<dyn Error>> {
    let start = cpu_seconds()?;
    let result = work();
    Ok((result, cpu_seconds()? - start))
}

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().ok_or("no CPU time")?.parse()?;
    Ok(nanoseconds / 1e9)
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

/// A key somewhere among the records.
fn between(number: u32, records: u32) -> Vec<u8> {
    [key(number * 7_919 % records), format!("-{number}").into_bytes()].concat()
}

fn measure(records: u32) -> Result<(), Box<dyn Error>> {
    let mut pairs: Vec<(Vec<u8>, Cid)> = (0..records)
        .map(|number| (key(number), Cid::of_dag_cbor(&number.to_be_bytes())))
        .collect();
    pairs.sort();
    let rounds = 2_000_000 / records;
    let mut tree = Tree::empty();
    let (result, rebuild) = timed(|| {
        (0..rounds).try_for_each(|_| {
            Tree::from_sorted(pairs.iter().map(|(key, cid)| (key, *cid))).map(|rebuilt| tree = rebuilt)
        })
    })?;
    result?;
    let total = f64::from(records * rounds);
    println!(
        "{records} records, {} heap bytes each",
        tree.heap_bytes() / records as usize
    );
    println!("  rebuild {:.2} M keys/s", total / rebuild / 1e6);
    insert("at the end", &tree, (0..INSERTS).map(|number| key(records + number)))?;
    insert("anywhere", &tree, (0..INSERTS).map(|number| between(number, records)))?;
    let wanted: Vec<&[u8]> = (0..INSERTS)
        .map(|number| &*pairs[(number * 7_919 % records) as usize].0)
        .collect();
    let ((), get) = timed(|| {
        for key in &wanted {
            let _ = black_box(tree.get(key));
        }
    })?;
    println!("  get {:.2} µs", each(get));
    let (bytes, walk) = timed(|| (0..rounds).map(|_| node_bytes(&tree)).sum::<usize>())?;
    println!(
        "  walk {:.1} M records/s, {} node bytes each",
        total / walk / 1e6,
        bytes / (records * rounds) as usize
    );
    Ok(())
}

fn each(seconds: f64) -> f64 {
    seconds * 1e6 / f64::from(INSERTS)
}

fn node_bytes(tree: &Tree) -> usize {
    let mut bytes = 0;
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        if let TreeItem::Node { bytes: block, .. } = item {
            bytes += block.len();
        }
    }
    bytes
}

/// Applies one create after the other, then lists the covering blocks of each.
fn insert(place: &str, tree: &Tree, keys: impl Iterator<Item = Vec<u8>>) -> Result<(), Box<dyn Error>> {
    let operations: Vec<Operation> = keys
        .map(|key| Operation {
            key,
            action: Action::Create(Cid::of_dag_cbor(b"new")),
        })
        .collect();
    let (tree, one_by_one) = timed(|| {
        operations
            .chunks(1)
            .try_fold(tree.clone(), |tree, operation| tree.apply(operation))
    })?;
    let tree = tree?;
    let (bytes, covering) = timed(|| {
        operations
            .iter()
            .filter_map(|operation| tree.covering_blocks([&operation.key]).ok())
            .map(|blocks| blocks.total_bytes())
            .sum::<usize>()
    })?;
    println!(
        "  insert {place} {:.1} µs, covering blocks {:.1} µs, {} bytes",
        each(one_by_one),
        each(covering),
        bytes / operations.len()
    );
    Ok(())
}
