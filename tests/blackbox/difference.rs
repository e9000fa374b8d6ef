//! `getRepo` since a rev, and the listing by collection.

use atproto_repo::mst::{Tree, TreeItem};
use serde_json::{Value, json};

use crate::TestApp;
use crate::harness::create_write;
use crate::repo_car::{read_car, read_commit, verify_repo};

const NOTE: &str = "com.example.note";

#[tokio::test]
async fn a_difference_brings_an_old_repo_up_to_date() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let key = app.plc.signing_key(&alice.did);
    let writes: Vec<Value> = (0..200)
        .map(|number| create_write(NOTE, &format!("n{number}"), &json!({"n": number})))
        .collect();
    alice.apply(&writes).await.ok();
    let old = alice.export().await;
    let (_, since) = alice.head().await;
    for number in 0..10 {
        alice.delete(NOTE, &format!("n{number}")).await;
        alice
            .create(NOTE, &format!("new{number}"), &json!({"new": number}))
            .await;
    }

    let since = since.to_string();
    let params = [("did", alice.did.as_str()), ("since", since.as_str())];
    let difference = app.api.query("com.atproto.sync.getRepo", &params).await.bytes();
    let (roots, _, new) = read_car(&difference);
    let commit = read_commit(&roots, &new, &alice.did, &key);
    let (_, _, mut blocks) = read_car(&old);
    assert!(new.len() < blocks.len() / 2, "{} blocks", new.len());
    blocks.extend(new);
    let records = verify_repo(&alice.export().await, &alice.did, &key).records;
    let tree = Tree::from_sorted(records).unwrap();
    assert_eq!(tree.root(), commit.data);
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        let (TreeItem::Node { cid, .. } | TreeItem::Leaf { cid, .. }) = item else {
            panic!("{item:?}");
        };
        assert!(blocks.contains_key(&cid), "{cid} is neither old nor new");
    }
}

#[tokio::test]
async fn old_names_of_methods_are_answered() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let did = [("did", alice.did.as_str())];
    let head = app.api.query("com.atproto.sync.getHead", &did).await.ok();
    assert_eq!(head, json!({"root": alice.head().await.0.to_string()}));
    let checkout = app.api.query("com.atproto.sync.getCheckout", &did).await.bytes();
    assert_eq!(checkout, alice.export().await);
    let unknown = [("did", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")];
    for method in ["com.atproto.sync.getHead", "com.atproto.sync.getCheckout"] {
        app.api.query(method, &unknown).await.refused(400, "RepoNotFound");
    }
    app.api
        .query("com.atproto.sync.subscribeRepos", &[])
        .await
        .refused(426, "UpgradeRequired");
}

#[tokio::test]
async fn repos_are_found_by_collection_page_by_page() {
    let app = TestApp::start().await;
    let mut dids = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let account = app.account(name).await;
        account.create(NOTE, "one", &json!({"n": 1})).await;
        dids.push(account.did.to_string());
    }
    let dave = app.account("dave").await;
    dave.create(NOTE, "one", &json!({"n": 1})).await;
    dave.delete(NOTE, "one").await;

    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut params = vec![("collection", NOTE), ("limit", "2")];
        params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = app
            .api
            .query("com.atproto.sync.listReposByCollection", &params)
            .await
            .ok();
        for repo in page["repos"].as_array().unwrap() {
            found.push(repo["did"].as_str().unwrap().to_owned());
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, dids);
    let bad = [("collection", NOTE), ("cursor", "x")];
    let bad = app.api.query("com.atproto.sync.listReposByCollection", &bad).await;
    bad.refused(400, "InvalidRequest");
}
