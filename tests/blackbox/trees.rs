//! Keys that somebody searched for to make a tree wide or deep (catalogue D11, D12).

use atproto_repo::mst::{MAX_NODE_ENTRIES, layer_of};
use serde_json::{Value, json};

use crate::firehose::StreamVerifier;
use crate::harness::{create_write, vector_file};
use crate::repo_car::verify_repo;
use crate::untouched::{Untouched, assert_refused};
use crate::{Account, TestApp};

const NOTE: &str = "com.example.note";
/// The deepest keys that a search of a moment finds.
const DEEP: u8 = 6;

/// The first so many rkeys made by `name` whose keys are on a layer.
fn rkeys_on_layer(layer: u8, count: usize, name: impl Fn(usize) -> String) -> Vec<String> {
    let on_layer = |rkey: &String| layer_of(format!("{NOTE}/{rkey}").as_bytes()) == layer;
    (0..).map(name).filter(on_layer).take(count).collect()
}

fn creates(rkeys: &[String]) -> Vec<Value> {
    rkeys
        .iter()
        .map(|rkey| create_write(NOTE, rkey, &json!({"n": 1})))
        .collect()
}

async fn assert_verifies(app: &TestApp, account: &Account, records: usize) {
    let repo = verify_repo(
        &account.export().await,
        &account.did,
        &app.plc.signing_key(&account.did),
    );
    assert_eq!(
        repo.records.keys().filter(|path| path.starts_with(NOTE)).count(),
        records
    );
    StreamVerifier::new(&app.plc)
        .read_up_to(&mut app.firehose(Some(0)).await, account)
        .await;
}

#[tokio::test]
async fn a_node_grows_to_its_limit_and_not_beyond() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let rkeys = rkeys_on_layer(0, MAX_NODE_ENTRIES + 1, |number| format!("wide{number:05}"));
    let (fitting, last) = rkeys.split_at(MAX_NODE_ENTRIES);
    alice.apply(&creates(&fitting[..200])).await.ok();
    alice.apply(&creates(&fitting[200..])).await.ok();
    let untouched = Untouched::of(&app, &alice).await;
    for _ in 0..3 {
        assert_refused(&alice.apply(&creates(last)).await, "one entry too many");
    }
    untouched.assert(&app).await;
    alice.delete(NOTE, &fitting[7]).await;
    alice.apply(&creates(last)).await.ok();
    assert_verifies(&app, &alice, MAX_NODE_ENTRIES).await;
}

#[tokio::test]
async fn deep_keys_are_taken_and_their_proofs_stay_small() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut rkeys = rkeys_on_layer(DEEP, 20, |number| format!("deep{number}"));
    alice.apply(&creates(&rkeys[..1])).await.ok();
    for rkey in &rkeys[1..] {
        alice.create(NOTE, rkey, &json!({"n": 1})).await;
    }
    if let Some(mined) = vector_file("hostile/mst-keys.json") {
        let mined: Value = serde_json::from_str(&mined).unwrap();
        let collection = mined["collection"].as_str().unwrap();
        // Likes have a schema; here the key alone matters.
        for rkey in ["9", "10", "11"]
            .iter()
            .flat_map(|layer| mined["deep"][layer].as_array().unwrap())
        {
            let mut input = alice.write(collection, rkey.as_str().unwrap(), &json!({"n": 1}));
            input["validate"] = json!(false);
            alice.call("com.atproto.repo.createRecord", &input).await.ok();
        }
    }
    for rkey in rkeys.split_off(10) {
        alice.delete(NOTE, &rkey).await;
    }
    let params = [("did", alice.did.as_str()), ("collection", NOTE), ("rkey", "absent")];
    let proof = app.api.query("com.atproto.sync.getRecord", &params).await.bytes();
    assert!(proof.len() < 64_000, "{} bytes", proof.len());
    assert_verifies(&app, &alice, 10).await;
}

/// Nodes of 15 × 250 keys of 500 bytes: a commit that touches all of them has to prove 2 MB of tree.
#[tokio::test]
async fn proofs_count_towards_the_size_of_an_event() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let key = |group: usize, part: usize, number: usize| format!("{group:02}{part}{number:04}{}", "k".repeat(490));
    let groups: Vec<Vec<String>> = (0..15)
        .map(|group| rkeys_on_layer(0, 250, |number| key(group, 0, number)))
        .collect();
    let separators: Vec<String> = (0..15)
        .flat_map(|group| rkeys_on_layer(1, 1, |number| key(group, 1, number)))
        .collect();
    alice.apply(&creates(&separators)).await.ok();
    for group in &groups {
        for part in group.chunks(125) {
            alice.apply(&creates(part)).await.ok();
        }
    }
    let untouched = Untouched::of(&app, &alice).await;
    let touch = |groups: &[Vec<String>]| -> Vec<Value> {
        let kind = "com.atproto.repo.applyWrites#delete";
        groups
            .iter()
            .map(|group| json!({"$type": kind, "collection": NOTE, "rkey": group[100]}))
            .collect()
    };
    let message = alice.apply(&touch(&groups)).await.refused(400, "InvalidRequest");
    assert_eq!(message, "Too many writes. Max event size: 2MB");
    untouched.assert(&app).await;
    alice.apply(&touch(&groups[..7])).await.ok();
    alice.apply(&touch(&groups[7..])).await.ok();
    assert_verifies(&app, &alice, 15 * 250).await;
}
