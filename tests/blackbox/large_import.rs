//! Imports at size, and commits that others have signed (catalogue D5, D8, D10).

use atproto_data::crypto::Curve;
use atproto_data::{Cid, SigningKey};
use atproto_repo::car;
use atproto_repo::commit::{Commit, UnsignedCommit};
use reqwest::Body;
use serde_json::json;

use crate::repo_car::{read_car, verify_repo};
use crate::{Account, Answer, TestApp};

const NOTE: &str = "com.example.note";
/// Blocks that no node names: several times as many as the index keeps in memory.
const ORPHANS: u32 = 500_000;
/// What the server may need more than before, whatever the CAR has: a fraction of it.
const MOST_MEMORY: u64 = 24 << 20;

async fn import(account: &Account, car: Body) -> Answer {
    let request = account
        .api
        .post("com.atproto.repo.importRepo")
        .bearer_auth(&account.access);
    let request = request.header("content-type", "application/vnd.ipld.car").body(car);
    Answer::to(request).await.unwrap()
}

/// A body without a length before it.
fn chunked(bytes: &[u8]) -> Body {
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = bytes.chunks(64 << 10).map(|piece| Ok(piece.to_vec())).collect();
    Body::wrap_stream(futures_util::stream::iter(pieces))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_car_of_strangers_takes_no_memory_and_leaves_nothing() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.create(NOTE, "a", &json!({"text": "a"})).await;
    let backup = alice.export().await;
    import(&alice, backup.clone().into()).await.ok();
    let before = app.process().peak_memory();
    let mut large = backup;
    for number in 0..ORPHANS {
        let mut bytes = [0_u8; 64];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        car::write_block(&mut large, &Cid::of_raw(&bytes), &bytes);
    }
    let length = large.len() as u64;
    assert!(length > 2 * MOST_MEMORY);
    import(&alice, chunked(&large)).await.ok();
    let grown = app.process().peak_growth(before);
    assert!(grown < MOST_MEMORY, "{grown} bytes for a CAR of {length}");
    let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
    assert_eq!(repo.records.len(), 1);
}

#[tokio::test]
async fn the_limit_of_a_car_is_exact_with_and_without_a_length() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.create(NOTE, "a", &json!({"text": "x".repeat(200_000)})).await;
    let backup = alice.export().await;
    for (limit, status) in [(backup.len(), 200), (backup.len() - 1, 413)] {
        app.set("PDS_MAX_REPO_IMPORT_SIZE", &limit.to_string());
        app.restart().await;
        for body in [Body::from(backup.clone()), chunked(&backup)] {
            let answer = import(&alice, body).await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    }
}

/// A commit with the other signature (r, n − s) of its K-256 key, which atproto refuses: its s is high.
fn mirrored(commit: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let place = commit.windows(64).position(|bytes| bytes == signature).unwrap();
    let mut mirrored = commit.to_vec();
    let mut borrowed = false;
    for (byte, order) in mirrored[place + 32..place + 64].iter_mut().zip(ORDER).rev() {
        (*byte, borrowed) = order.borrowing_sub(*byte, borrowed);
    }
    mirrored
}

/// A backup may be older than its owner's key, and what signed it careless.
#[tokio::test]
async fn a_commit_that_another_key_has_signed_is_taken_and_reported() {
    const REPORT: &str = "not signed with the key";
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.create(NOTE, "a", &json!({"text": "a"})).await;
    let backup = alice.export().await;
    import(&alice, backup.clone().into()).await.ok();
    let reports = || app.process().log().iter().filter(|line| line.contains(REPORT)).count();
    assert_eq!(reports(), 0);

    let (roots, order, blocks) = read_car(&backup);
    let old = Commit::decode(&blocks[&roots[0]]).unwrap();
    let key = SigningKey::from_bytes(Curve::P256, &[7; 32]).unwrap();
    let foreign = UnsignedCommit {
        did: old.did,
        data: old.data,
        rev: old.rev,
    }
    .sign(&key);
    let mirrored = mirrored(&blocks[&roots[0]], &old.sig);
    for (count, (cid, bytes)) in [(foreign.cid, foreign.bytes), (Cid::of_dag_cbor(&mirrored), mirrored)]
        .into_iter()
        .enumerate()
    {
        let mut car = Vec::new();
        car::write_header(&mut car, Some(&cid));
        car::write_block(&mut car, &cid, &bytes);
        for cid in &order[1..] {
            car::write_block(&mut car, cid, &blocks[cid]);
        }
        import(&alice, car.into()).await.ok();
        assert_eq!(reports(), count + 1);
    }
    // What is served is signed with the account's own key.
    let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
    assert_eq!(repo.records.len(), 1);
}
