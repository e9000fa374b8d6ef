//! Handles, NSIDs, record keys and DIDs that are none (catalogue B).

use serde_json::json;

use crate::TestApp;
use crate::harness::vectors;
use crate::untouched::{Untouched, assert_refused};

#[tokio::test]
async fn handles_that_are_none_get_no_account() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let mut handles = vectors("syntax/handle_syntax_invalid.txt");
    handles.extend(
        [
            "",
            "alice",
            ".test",
            "a.b.test",
            "xn--alice-.test",
            "al.test",
            "-alice.test",
            "alice.test.",
            "alice..test",
            "al ice.test",
        ]
        .map(str::to_owned),
    );
    handles.push(format!("{}.test", "a".repeat(19)));
    for handle in handles {
        let mut input = app.sign_up("somebody").await;
        input["handle"] = json!(handle);
        let answer = app.api.procedure("com.atproto.server.createAccount", &input).await;
        assert_refused(&answer, &format!("handle {handle:?}"));
    }
    for (handle, error) in [
        ("admin.test", "HandleNotAvailable"),
        ("www.test", "HandleNotAvailable"),
        ("a.test", "InvalidHandle"),
        ("somebody.example.com", "UnsupportedDomain"),
        ("somebody.invalid", "InvalidHandle"),
    ] {
        let mut input = app.sign_up("somebody").await;
        input["handle"] = json!(handle);
        let message = app
            .api
            .procedure("com.atproto.server.createAccount", &input)
            .await
            .refused(400, error);
        assert!(!message.is_empty());
    }
    untouched.assert(&app).await;
    assert_eq!(app.plc.dids().len(), 1, "nothing was registered");
}

#[tokio::test]
async fn handles_are_told_apart_by_more_than_their_case() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut input = app.sign_up("other").await;
    input["handle"] = json!("ALICE.Test");
    let message = app
        .api
        .procedure("com.atproto.server.createAccount", &input)
        .await
        .refused(400, "InvalidRequest");
    assert_eq!(message, "Handle already taken: alice.test");
    let resolved = app
        .api
        .query("com.atproto.identity.resolveHandle", &[("handle", "aLiCe.tEsT")])
        .await
        .ok();
    assert_eq!(resolved["did"], alice.did.as_str());
    app.api
        .query("com.atproto.identity.resolveHandle", &[("handle", "nobody.test")])
        .await
        .refused(400, "HandleNotFound");
}

#[tokio::test]
async fn names_that_are_none_get_no_record() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let mut rkeys = vectors("syntax/recordkey_syntax_invalid.txt");
    rkeys.extend([".", "..", "", "a/b", "a b", "ä", "a#b", "a\0b"].map(str::to_owned));
    rkeys.push("a".repeat(513));
    let mut collections = vectors("syntax/nsid_syntax_invalid.txt");
    collections.extend(
        [
            "",
            "note",
            "com.example",
            "com.example.",
            "com.example.3",
            "com.example.note/x",
        ]
        .map(str::to_owned),
    );
    let record = json!({"text": "x"});
    let rkeys = rkeys.iter().map(|rkey| ("com.example.note", rkey.as_str()));
    let collections = collections.iter().map(|collection| (collection.as_str(), "a"));
    for (collection, rkey) in rkeys.chain(collections) {
        let case = format!("{collection:?}/{rkey:?}");
        let input = alice.write(collection, rkey, &record);
        for nsid in ["createRecord", "putRecord", "deleteRecord"] {
            let answer = alice.call(&format!("com.atproto.repo.{nsid}"), &input).await;
            assert_refused(&answer, &format!("{nsid} {case}"));
        }
        let params = [("repo", alice.did.as_str()), ("collection", collection), ("rkey", rkey)];
        assert_refused(
            &app.api.query("com.atproto.repo.getRecord", &params).await,
            &format!("getRecord {case}"),
        );
    }
    untouched.assert(&app).await;
}

#[tokio::test]
async fn dids_that_are_none_or_others_are_refused() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let bob = app.account("bob").await;
    let untouched = Untouched::of(&app, &alice).await;
    let mut dids = vectors("syntax/did_syntax_invalid.txt");
    dids.extend(
        [
            "did:plc:abc",
            "did:web:localhost%3a1",
            "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
            "alice.test",
        ]
        .map(str::to_owned),
    );
    for did in &dids {
        for nsid in ["getRepo", "getLatestCommit", "getRepoStatus", "getBlocks"] {
            let answer = app
                .api
                .query(&format!("com.atproto.sync.{nsid}"), &[("did", did), ("cids", "x")])
                .await;
            assert_refused(&answer, &format!("{nsid} of {did:?}"));
        }
    }
    let mut input = alice.write("com.example.note", "a", &json!({"text": "x"}));
    for repo in [
        bob.did.as_str(),
        "bob.test",
        "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
        "nobody.test",
        "",
        "at://alice.test",
    ] {
        input["repo"] = json!(repo);
        for nsid in ["createRecord", "putRecord", "deleteRecord"] {
            let answer = alice.call(&format!("com.atproto.repo.{nsid}"), &input).await;
            assert_refused(&answer, &format!("{nsid} in {repo:?} by alice"));
        }
        input["writes"] = json!([]);
        assert_refused(
            &alice.call("com.atproto.repo.applyWrites", &input).await,
            &format!("applyWrites in {repo:?} by alice"),
        );
    }
    input["repo"] = json!("Alice.TEST");
    alice.call("com.atproto.repo.deleteRecord", &input).await.ok();
    untouched.assert(&app).await;
}
