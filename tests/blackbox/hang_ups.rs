//! Clients that hang up before they are answered.

use std::collections::BTreeMap;
use std::time::Duration;

use atproto_data::Cid;
use serde_json::json;
use tokio::task::JoinSet;

use crate::TestApp;
use crate::firehose::StreamVerifier;
use crate::harness::{Dice, cid_of};
use crate::repo_car::verify_repo;

const NOTE: &str = "com.example.note";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_happens_or_not_whoever_waits_for_it() {
    let mut dice = Dice::from_environment("a_write_happens_or_not_whoever_waits_for_it");
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut calls = JoinSet::new();
    let mut asked = BTreeMap::new();
    for number in 0..300 {
        let record = json!({"$type": NOTE, "number": number});
        let rkey = format!("r{number}");
        asked.insert(format!("{NOTE}/{rkey}"), cid_of(&record));
        let (alice, patience) = (alice.clone(), Duration::from_micros(dice.below(20_000)));
        calls.spawn(async move {
            let input = alice.write(NOTE, &rkey, &record);
            let call = alice.try_call("com.atproto.repo.createRecord", &input);
            // Given up, the request's connection is closed.
            let answer = tokio::time::timeout(patience, call).await.ok()?;
            answer.unwrap().ok();
            Some(format!("{NOTE}/{rkey}"))
        });
    }
    let acknowledged: Vec<String> = calls.join_all().await.into_iter().flatten().collect();
    // Whatever is still queued comes before this write.
    alice.create(NOTE, "last", &json!({"number": "last"})).await;
    let mut verifier = StreamVerifier::new(&app.plc);
    verifier.read_up_to(&mut app.firehose(Some(0)).await, &alice).await;
    let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
    assert_eq!(verifier.repos[&alice.did].records, repo.records);
    for path in &acknowledged {
        assert_eq!(repo.records.get(path), asked.get(path));
    }
    let mut unasked: BTreeMap<String, Cid> = repo.records;
    unasked.retain(|path, cid| asked.get(path) != Some(cid));
    assert_eq!(unasked.keys().collect::<Vec<_>>(), [&format!("{NOTE}/last")]);
    println!("{} of {} were waited for", acknowledged.len(), asked.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_whole_whoever_waits_for_it() {
    let mut dice = Dice::from_environment("an_account_is_whole_whoever_waits_for_it");
    let app = TestApp::start().await;
    let create = "com.atproto.server.createAccount";
    for number in 0..10 {
        let input = app.sign_up(&format!("person{number}")).await;
        let call = app.api.procedure(create, &input);
        let _ = tokio::time::timeout(Duration::from_millis(dice.below(150)), call).await;
        // Once the server has noticed, either the account is there or the same wish is granted.
        let again = loop {
            let answer = app.api.procedure(create, &input).await;
            let describe = [("repo", input["handle"].as_str().unwrap())];
            if answer.status == 200 || app.api.query("com.atproto.repo.describeRepo", &describe).await.status == 200 {
                break answer;
            }
            answer.refused(400, "InvalidRequest");
        };
        assert!(again.status == 200 || again.refused(400, "InvalidRequest").starts_with("Handle already taken"));
    }
    let repos = app.api.query("com.atproto.sync.listRepos", &[]).await.ok();
    assert_eq!(repos["repos"].as_array().unwrap().len(), 10);
    assert_eq!(app.plc.dids().len(), 10, "no DID without an account");
}
