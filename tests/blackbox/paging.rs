//! Lists in pages: nothing is left out and nothing comes twice (catalogue E13).

use std::collections::BTreeSet;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::{Account, Answer, Firehose, TestApp};

const NOTE: &str = "com.example.note";

/// The texts of a field of all items, page by page; and how many pages had any.
async fn all_pages(get: impl AsyncFn(&str) -> Answer, list: &str, field: &str) -> (Vec<String>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut cursor = String::new();
    loop {
        let page = get(&cursor).await.ok();
        let items = page[list].as_array().unwrap();
        found.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        pages += usize::from(!items.is_empty());
        match page["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return (found, pages),
        }
    }
}

#[tokio::test]
async fn a_page_of_large_records_is_short_and_goes_on() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let text = "x".repeat(700_000);
    let mut expected = Vec::new();
    for number in 0..7 {
        let record = alice.create(NOTE, &format!("r{number}"), &json!({"text": text})).await;
        expected.push(record["uri"].as_str().unwrap().to_owned());
    }
    for reverse in ["true", "false"] {
        let get = async |cursor: &str| {
            let mut params = vec![("repo", alice.did.as_str()), ("collection", NOTE), ("reverse", reverse)];
            params.extend((!cursor.is_empty()).then_some(("cursor", cursor)));
            app.api.query("com.atproto.repo.listRecords", &params).await
        };
        let (found, pages) = all_pages(get, "records", "uri").await;
        assert_eq!(found, expected, "reverse={reverse}");
        assert!((3..7).contains(&pages), "{pages} pages");
        expected.reverse();
    }
}

#[tokio::test]
async fn repos_are_listed_in_pages() {
    let app = TestApp::start().await;
    let mut expected = BTreeSet::new();
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        expected.insert(app.account(name).await.did.to_string());
    }
    let get = async |cursor: &str| {
        let params = [("limit", "2"), ("cursor", cursor)];
        app.api.query("com.atproto.sync.listRepos", &params).await
    };
    let (found, pages) = all_pages(get, "repos", "did").await;
    assert_eq!((found.len(), pages), (5, 3));
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Records that refer to blobs, all of which are gone.
async fn lose_blobs(account: &Account, count: usize) -> BTreeSet<String> {
    let mut cids = BTreeSet::new();
    for number in 0..count {
        let upload = account
            .api
            .post("com.atproto.repo.uploadBlob")
            .bearer_auth(&account.access);
        let upload = upload.header(CONTENT_TYPE, "text/plain").body(format!("blob {number}"));
        let blob: Value = Answer::to(upload).await.unwrap().ok()["blob"].clone();
        cids.insert(blob["ref"]["$link"].as_str().unwrap().to_owned());
        account
            .create(NOTE, &format!("r{number}"), &json!({"file": blob}))
            .await;
    }
    let backup = account.export().await;
    for number in 0..count {
        account.delete(NOTE, &format!("r{number}")).await;
    }
    let import = account
        .api
        .post("com.atproto.repo.importRepo")
        .bearer_auth(&account.access);
    let import = import.header(CONTENT_TYPE, "application/vnd.ipld.car").body(backup);
    Answer::to(import).await.unwrap().ok();
    cids
}

#[tokio::test]
async fn missing_blobs_are_listed_in_pages() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let expected = lose_blobs(&alice, 5).await;
    let get = async |cursor: &str| {
        let mut params = vec![("limit", "2")];
        params.extend((!cursor.is_empty()).then_some(("cursor", cursor)));
        alice.query("com.atproto.repo.listMissingBlobs", &params).await
    };
    let (found, pages) = all_pages(get, "blobs", "cid").await;
    assert_eq!((found.len(), pages), (5, 3));
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    get("no CID").await.refused(400, "InvalidRequest");
}

/// Cursors that no page gave: refused, or an empty or other page, as in the reference where ours are like its own.
#[tokio::test]
async fn odd_cursors_are_no_internal_errors() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.create(NOTE, "a", &json!({"text": "a"})).await;
    let huge = "9".repeat(5_000);
    let odd = [
        "",
        "0",
        "-1",
        "-9223372036854775809",
        "9223372036854775807",
        "9223372036854775808",
        "1e3",
        "1.5",
        " 1",
        "\u{661}",
        "\u{0}",
        "\u{1f600}::\u{202e}",
        "%",
        "' OR 1=1 --",
        "1767225600000::did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "com.example.note/a",
        huge.as_str(),
    ];
    let did = alice.did.as_str();
    let lists = [
        ("com.atproto.sync.listRepos", vec![]),
        ("com.atproto.sync.listReposByCollection", vec![("collection", NOTE)]),
        ("com.atproto.sync.listBlobs", vec![("did", did)]),
        ("com.atproto.repo.listMissingBlobs", vec![]),
        (
            "com.atproto.repo.listRecords",
            vec![("repo", did), ("collection", NOTE)],
        ),
    ];
    for (nsid, params) in lists {
        for cursor in odd {
            let mut params = params.clone();
            params.push(("cursor", cursor));
            let answer = alice.query(nsid, &params).await;
            assert!(
                matches!(answer.status, 200 | 400),
                "{nsid} {cursor:?}: {}",
                answer.text()
            );
        }
    }
    // A record key is any text, so there is a page behind any.
    for (cursor, found) in [("", 1), ("b", 1), ("a", 0), ("\u{0}", 0), ("\u{1f600}", 1)] {
        let params = [("repo", did), ("collection", NOTE), ("cursor", cursor)];
        let page = app.api.query("com.atproto.repo.listRecords", &params).await.ok();
        assert_eq!(page["records"].as_array().map(Vec::len), Some(found), "{cursor:?}");
    }
    for (cursor, error) in [
        ("1e3", "InvalidRequest"),
        (huge.as_str(), "InvalidRequest"),
        ("9007199254740991", "FutureCursor"),
    ] {
        let mut firehose = Firehose::connect(&app.api.address(), Some(cursor)).await;
        assert_eq!(firehose.error().await, error, "{cursor}");
    }
    // Before everything: the whole log.
    Firehose::connect(&app.api.address(), Some("-1")).await.frame().await;
}
