//! Repos as strangers read them: exports, proofs, blocks; and many writers at once (catalogue C13, D15).

use std::sync::Arc;

use atproto_data::Cid;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::firehose::StreamVerifier;
use crate::harness::{Dice, Writer, create_write};
use crate::repo_car::{read_car, verify_proof, verify_repo};
use crate::{Account, Answer, TestApp};

const NOTE: &str = "com.example.note";

async fn fill(account: &Account, records: usize) {
    let writes: Vec<Value> = (0..records)
        .map(|index| create_write(NOTE, &format!("r{:04}", index * 2), &json!({"number": index})))
        .collect();
    for part in writes.chunks(200) {
        account.apply(part).await.ok();
    }
}

#[tokio::test]
async fn presence_and_absence_are_proven() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let key = app.plc.signing_key(&alice.did);
    let proof = async |collection: &str, rkey: &str| {
        let params = [("did", alice.did.as_str()), ("collection", collection), ("rkey", rkey)];
        let car = app.api.query("com.atproto.sync.getRecord", &params).await.bytes();
        verify_proof(&car, &alice.did, &key, &format!("{collection}/{rkey}"))
    };
    assert_eq!(
        proof(NOTE, "r0000").await,
        None,
        "an empty repo proves that nothing is there"
    );
    fill(&alice, 300).await;
    let repo = verify_repo(&alice.export().await, &alice.did, &key);
    for index in (0..600).step_by(7) {
        let rkey = format!("r{index:04}");
        let (found, there) = (proof(NOTE, &rkey).await, repo.records.get(&format!("{NOTE}/{rkey}")));
        assert_eq!(found.as_ref().map(|(cid, _)| cid), there, "{rkey}");
        if let Some((cid, bytes)) = found {
            assert_eq!(Cid::of_dag_cbor(&bytes), cid);
        }
    }
    for (collection, rkey) in [
        (NOTE, "a"),
        (NOTE, "z"),
        ("com.example.a", "r0000"),
        ("com.example.z", "r0000"),
    ] {
        assert_eq!(proof(collection, rkey).await, None, "{collection}/{rkey}");
    }
}

#[tokio::test]
async fn every_block_can_be_had_by_its_cid() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let bob = app.account("bob").await;
    fill(&alice, 300).await;
    let get = async |did: &str, cids: &[Cid]| {
        let cids: Vec<String> = cids.iter().map(Cid::to_string).collect();
        let mut params = vec![("did", did)];
        params.extend(cids.iter().map(|cid| ("cids", cid.as_str())));
        app.api.query("com.atproto.sync.getBlocks", &params).await
    };
    let (_, order, blocks) = read_car(&alice.export().await);
    assert!(order.len() > 350, "commit, nodes and records");
    for cids in order.chunks(150) {
        let (roots, found, bytes) = read_car(&get(alice.did.as_str(), cids).await.bytes());
        assert!(roots.is_empty());
        assert_eq!(found, cids);
        assert!(bytes.iter().all(|(cid, bytes)| blocks[cid] == *bytes));
    }
    let absent = Cid::of_dag_cbor(b"absent");
    let message = get(alice.did.as_str(), &[order[0], absent])
        .await
        .refused(400, "InvalidRequest");
    assert!(
        message.contains(&absent.to_string()) && !message.contains(&order[0].to_string()),
        "{message}"
    );
    get(bob.did.as_str(), &order[..1]).await.refused(400, "InvalidRequest");
    get(alice.did.as_str(), &[]).await.refused(400, "InvalidRequest");
    get(alice.did.as_str(), &vec![order[0]; 201])
        .await
        .refused(400, "InvalidRequest");
    let repeated = get(alice.did.as_str(), &vec![order[0]; 200]).await.bytes();
    assert_eq!(read_car(&repeated).1, order[..1], "each block once");
}

#[tokio::test]
async fn blocks_are_answered_up_to_a_size() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut cids = Vec::new();
    for number in 0..6 {
        let record = json!({"text": "x".repeat(900_000), "number": number});
        let written = alice.create(NOTE, &format!("r{number}"), &record).await;
        cids.push(written["cid"].as_str().unwrap().to_owned());
    }
    let get = async |cids: &[String]| {
        let mut params = vec![("did", alice.did.as_str())];
        params.extend(cids.iter().map(|cid| ("cids", cid.as_str())));
        app.api.query("com.atproto.sync.getBlocks", &params).await
    };
    assert_eq!(read_car(&get(&cids[..4]).await.bytes()).1.len(), 4);
    get(&cids).await.refused(400, "InvalidRequest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_make_one_history() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let alice = alice.clone();
        calls.spawn(async move {
            let writes = [0, 1, 2].map(|part| create_write(NOTE, &format!("r{number}-{part}"), &json!({"part": part})));
            alice.apply(&writes).await.ok()["commit"]["rev"]
                .as_str()
                .unwrap()
                .to_owned()
        });
    }
    let mut revs = calls.join_all().await;
    revs.sort();
    revs.dedup();
    assert_eq!(revs.len(), 100, "each has a rev of its own");
    let mut verifier = StreamVerifier::new(&app.plc);
    verifier.read_up_to(&mut app.firehose(Some(0)).await, &alice).await;
    assert_eq!(verifier.commits.len(), 101);
    let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
    assert_eq!((repo.records.len(), repo.rev.to_string()), (300, revs[99].clone()));
    assert_eq!(verifier.repos[&alice.did].records, repo.records);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_wins_a_swap() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let head = alice.head().await.0.to_string();
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let alice = alice.clone();
        let mut input = alice.write(NOTE, &format!("r{number}"), &json!({"number": number}));
        input["swapCommit"] = json!(head);
        calls.spawn(async move { alice.call("com.atproto.repo.createRecord", &input).await });
    }
    let (winners, losers): (Vec<Answer>, Vec<_>) = calls
        .join_all()
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert_eq!(winners.len(), 1);
    for loser in losers {
        loser.refused(400, "InvalidSwap");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repos_without_room_in_memory_are_rebuilt_again_and_again() {
    let mut dice = Dice::from_environment("repos_without_room_in_memory_are_rebuilt_again_and_again");
    let app = Arc::new(TestApp::start_with(&[("PDS_REPO_CACHE_BYTES", "1")]).await);
    let mut accounts = Vec::new();
    let mut tasks = JoinSet::new();
    for index in 0..6 {
        accounts.push(app.account(&format!("account{index}")).await);
    }
    for index in 0..12 {
        let mut writer = Writer::new(&accounts[index % 6], format!("w{index}"), dice.split());
        tasks.spawn(async move {
            for _ in 0..40 {
                assert!(writer.write().await);
            }
            Some(writer)
        });
    }
    for account in &accounts {
        let (app, account) = (Arc::clone(&app), account.clone());
        tasks.spawn(async move {
            let key = app.plc.signing_key(&account.did);
            for _ in 0..10 {
                verify_repo(&account.export().await, &account.did, &key);
            }
            None
        });
    }
    let mut writers: Vec<Writer> = tasks.join_all().await.into_iter().flatten().collect();
    let mut verifier = StreamVerifier::new(&app.plc);
    let mut firehose = app.firehose(Some(0)).await;
    for account in &accounts {
        verifier.read_up_to(&mut firehose, account).await;
    }
    for account in &accounts {
        crate::crash::assert_agreement(&app, account, &verifier, &mut writers).await;
    }
}

#[tokio::test]
async fn repos_that_are_not_here_are_not_found() {
    let app = TestApp::start().await;
    let nobody = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
    let cid = Cid::of_dag_cbor(b"x").to_string();
    for method in ["getRepo", "getLatestCommit", "getRepoStatus", "getRecord", "getBlocks"] {
        let params = [("did", nobody), ("collection", NOTE), ("rkey", "a"), ("cids", &cid)];
        app.api
            .query(&format!("com.atproto.sync.{method}"), &params)
            .await
            .refused(400, "RepoNotFound");
    }
    app.api
        .query("com.atproto.repo.describeRepo", &[("repo", nobody)])
        .await
        .refused(400, "RepoNotFound");
    let list = [("repo", nobody), ("collection", NOTE)];
    app.api
        .query("com.atproto.repo.listRecords", &list)
        .await
        .refused(400, "InvalidRequest");
    let record = [("repo", nobody), ("collection", NOTE), ("rkey", "a")];
    app.api
        .query("com.atproto.repo.getRecord", &record)
        .await
        .refused(400, "RecordNotFound");
}

#[tokio::test]
async fn lists_are_paged_without_gap_or_repeat() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    fill(&alice, 230).await;
    let mut all: Vec<String> = (0..230)
        .map(|index| format!("at://{}/{NOTE}/r{:04}", alice.did, index * 2))
        .collect();
    for reverse in ["true", "false"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let did = alice.did.as_str();
            let params = [
                ("repo", did),
                ("collection", NOTE),
                ("limit", "100"),
                ("reverse", reverse),
                ("cursor", &cursor),
            ];
            let page = app.api.query("com.atproto.repo.listRecords", &params).await.ok();
            let records = page["records"].as_array().unwrap();
            found.extend(records.iter().map(|record| record["uri"].as_str().unwrap().to_owned()));
            match page["cursor"].as_str() {
                Some(next) if !records.is_empty() => next.clone_into(&mut cursor),
                _ => break,
            }
        }
        assert_eq!(found, all, "reverse={reverse}");
        all.reverse();
    }
}
