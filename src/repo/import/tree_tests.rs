//! Trees that no server would write (catalogue D6, D11): none is imported.

#![expect(clippy::unwrap_used, reason = "tests")]

use atproto_data::cbor::Encoder;
use atproto_data::{Cid, Tid};
use atproto_repo::commit::UnsignedCommit;
use atproto_repo::mst::layer_of;

use super::ImportError;
use super::tests::{REV_MICROS, Repo, import, record};
use crate::repo::testing::{TestRepos, signing_key};

/// An entry of a node: how many bytes the key shares with the one before, the rest of it, and the subtree after it.
type Entry<'a> = (usize, &'a str, Option<Cid>);

fn node(left: Option<Cid>, entries: &[Entry<'_>]) -> (Cid, Vec<u8>) {
    let mut out = Encoder::new();
    let link = |out: &mut Encoder, cid: Option<Cid>| {
        match cid {
            Some(cid) => out.link(&cid),
            None => out.null(),
        };
    };
    out.map(2).string("e").array(entries.len());
    for (shared, rest, subtree) in entries {
        out.map(4).string("k").bytes(rest.as_bytes());
        out.string("p").unsigned(*shared as u64).string("t");
        link(&mut out, *subtree);
        out.string("v").link(&Cid::of_dag_cbor(&record(0)));
    }
    out.string("l");
    link(&mut out, left);
    let bytes = out.into_bytes();
    (Cid::of_dag_cbor(&bytes), bytes)
}

/// A repo with these nodes, the root first, and the record that all entries name.
fn repo_of(nodes: Vec<(Cid, Vec<u8>)>) -> Vec<u8> {
    let commit = UnsignedCommit {
        did: format!("did:plc:{}", "a".repeat(24)).parse().unwrap(),
        data: nodes[0].0,
        rev: Tid::from_parts(REV_MICROS, 3),
    }
    .sign(&signing_key('a'));
    let mut blocks = vec![(commit.cid, commit.bytes)];
    blocks.extend(nodes);
    blocks.push((Cid::of_dag_cbor(&record(0)), record(0)));
    let root = commit.cid;
    Repo { root, blocks }.car()
}

/// Keys of a layer, in order, all of the same length.
fn keys(layer: u8, count: usize) -> Vec<String> {
    let numbered = (100_000..).map(|number| format!("com.example.note/{number}"));
    numbered
        .filter(|key| layer_of(key.as_bytes()) == layer)
        .take(count)
        .collect()
}

#[tokio::test]
async fn malformed_trees_are_refused() {
    let test = TestRepos::open().await;
    let account = test.account('a').await;
    let (low, high) = (keys(0, 400), keys(1, 50));
    let (first, second) = (low[0].as_str(), low[1].as_str());
    let shared = first.bytes().zip(second.bytes()).take_while(|(a, b)| a == b).count();
    let leaf = node(None, &[(0, first, None)]);
    let empty = node(None, &[]);
    let wide: Vec<Entry<'_>> = low.iter().map(|key| (0, key.as_str(), None)).collect();
    let next = high.iter().find(|key| key.as_str() > first).unwrap();
    let cases = [
        (
            "keys out of order",
            vec![node(None, &[(0, second, None), (shared, &first[shared..], None)])],
        ),
        (
            "a key twice",
            vec![node(None, &[(0, first, None), (first.len(), "", None)])],
        ),
        (
            "a key of another layer",
            vec![node(None, &[(0, first, None), (0, next, None)])],
        ),
        (
            "less shared than there is",
            vec![node(None, &[(0, first, None), (0, second, None)])],
        ),
        (
            "more shared than there is",
            vec![node(None, &[(0, first, None), (200, second, None)])],
        ),
        ("a first key that shares", vec![node(None, &[(1, &first[1..], None)])]),
        ("no record key", vec![node(None, &[(0, "com.example.note", None)])]),
        (
            "an empty node below",
            vec![node(Some(empty.0), &[(0, &high[0], None)]), empty],
        ),
        ("an empty root above", vec![node(Some(leaf.0), &[]), leaf.clone()]),
        (
            "a node twice",
            vec![node(Some(leaf.0), &[(0, next, Some(leaf.0))]), leaf.clone()],
        ),
        (
            "a node of its own layer below",
            vec![node(Some(leaf.0), &[(0, second, None)]), leaf],
        ),
        (
            "a node that is a record",
            vec![(Cid::of_dag_cbor(&record(1)), record(1))],
        ),
        ("too many keys in a node", vec![node(None, &wide)]),
    ];
    for (name, nodes) in cases {
        let error = import(&test, &account, &repo_of(nodes)).await.unwrap_err();
        assert!(!matches!(error, ImportError::Repo(_)), "{name}: {error}");
    }
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 0);
    let good = vec![node(None, &[(0, first, None), (shared, &second[shared..], None)])];
    import(&test, &account, &repo_of(good)).await.unwrap();
}
