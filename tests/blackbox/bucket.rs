//! Blobs in an S3-compatible bucket: the reference's keys, and what happens while the bucket is away (catalogue F18).

use axum::Router;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::doctor::{doctor, verdicts};
use crate::harness::{S3, http_get};
use crate::{Account, Answer, TestApp};

/// More than one part of a multipart upload.
const LARGE: usize = 20 << 20;

async fn start(s3_url: &str, own: &[(&str, &str)]) -> TestApp {
    let mut settings = vec![
        ("PDS_BLOBSTORE_DISK_LOCATION", ""),
        ("PDS_BLOBSTORE_S3_BUCKET", "blobs"),
        ("PDS_BLOBSTORE_S3_REGION", "eu-de"),
        ("PDS_BLOBSTORE_S3_ENDPOINT", s3_url),
        ("PDS_BLOBSTORE_S3_ACCESS_KEY_ID", "key-id"),
        ("PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY", "secret-key-canary"),
        ("PDS_BLOB_UPLOAD_LIMIT", "104857600"),
    ];
    settings.extend(own);
    TestApp::start_with(&settings).await
}

async fn upload(account: &Account, bytes: Vec<u8>) -> Answer {
    let request = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access)
        .header("content-type", "text/plain");
    Answer::to(request.body(bytes)).await.unwrap()
}

async fn refer_to(account: &Account, rkey: &str, blob: &Value) {
    account.create("com.example.note", rkey, &json!({"blob": blob})).await;
}

fn cid(blob: &Value) -> String {
    blob["ref"]["$link"].as_str().unwrap().to_owned()
}

async fn download(account: &Account, cid: &str) -> Answer {
    let params = [("did", account.did.as_str()), ("cid", cid)];
    account.api.query("com.atproto.sync.getBlob", &params).await
}

/// `/readyz`, which must always be 200 here.
async fn reasons(app: &TestApp) -> Vec<String> {
    let (status, body) = http_get(&format!("http://{}/readyz", app.api.address())).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let reasons = body["reasons"].as_array().cloned().unwrap_or_default();
    reasons
        .iter()
        .map(|reason| reason.as_str().unwrap().to_owned())
        .collect()
}

/// Asks `/readyz` until it says this: the server looks every 5 s.
async fn becomes(app: &TestApp, expected: &[&str]) {
    let patience = std::time::Duration::from_secs(40);
    let says_so = async { while reasons(app).await != expected {} };
    let said = tokio::time::timeout(patience, says_so).await;
    assert!(said.is_ok(), "{:?} is not {expected:?}", reasons(app).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_live_in_the_bucket_under_the_keys_of_the_reference() {
    let Some(s3) = S3::start().await else { return };
    s3.create_bucket().await;
    let mut app = start(&s3.url(), &[]).await;
    let alice = app.account("alice").await;
    let large: Vec<u8> = (0..=250)
        .flat_map(|byte| std::iter::repeat_n(byte, 90_000))
        .take(LARGE)
        .collect();
    let mut cids = Vec::new();
    for (rkey, bytes) in [("small", b"a small blob".to_vec()), ("large", large.clone())] {
        let blob = upload(&alice, bytes.clone()).await.ok()["blob"].clone();
        refer_to(&alice, rkey, &blob).await;
        let key = format!("blocks/{}/{}", alice.did, cid(&blob));
        assert!(s3.keys().await.contains(&key), "{key}");
        assert!(download(&alice, &cid(&blob)).await.bytes() == bytes, "{rkey}");
        cids.push(cid(&blob));
    }
    let found = verdicts(&doctor(&["--json"], app.settings()));
    assert!(found.contains(&("blob store".to_owned(), "ok".to_owned())), "{found:?}");
    let params = [("did", alice.did.as_str()), ("cid", cids[1].as_str())];
    let range = app
        .api
        .get("com.atproto.sync.getBlob", &params)
        .header("range", "bytes=9999999-10000004");
    let part = Answer::to(range).await.unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &large[9_999_999..=10_000_004]));

    // What no record refers to any more goes, and nothing else.
    alice.delete("com.example.note", "large").await;
    app.restart().await;
    let patience = std::time::Duration::from_secs(40);
    let goes = async { while s3.keys().await.len() > 1 {} };
    tokio::time::timeout(patience, goes).await.unwrap();
    assert!(download(&alice, &cids[0]).await.bytes() == b"a small blob");
    download(&alice, &cids[1]).await.refused(400, "InvalidRequest");
    let log = app.stop().await.text();
    assert!(!log.contains("secret-key-canary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_may_come_later_and_go_and_come_back() {
    let Some(mut s3) = S3::start().await else { return };
    let mut app = start(&s3.url(), &[]).await;
    let alice = app.account("alice").await;
    becomes(&app, &["blob_store"]).await;
    upload(&alice, b"too early".to_vec())
        .await
        .refused(502, "UpstreamFailure");
    s3.create_bucket().await;
    becomes(&app, &[]).await;
    let blob = upload(&alice, b"in time".to_vec()).await.ok()["blob"].clone();
    refer_to(&alice, "a", &blob).await;

    s3.stop();
    download(&alice, &cid(&blob)).await.refused(502, "UpstreamFailure");
    upload(&alice, b"too late".to_vec())
        .await
        .refused(502, "UpstreamFailure");
    upload(&alice, vec![1; LARGE]).await.refused(502, "UpstreamFailure");
    assert_eq!(reasons(&app).await, ["blob_store"]);
    // All else goes on, and no record refers to what is not there.
    alice
        .create("com.example.note", "b", &json!({"text": "without blobs"}))
        .await;
    alice.export().await;
    let lost = json!({"blob": {"$type": "blob", "ref": {"$link": "bafkreihwsnuregceqh263vgdathcprnbvatyat6h6mu7ipjhhodcdbyhoy"}, "mimeType": "text/plain", "size": 8}});
    let refused = alice
        .call(
            "com.atproto.repo.createRecord",
            &alice.write("com.example.note", "c", &lost),
        )
        .await;
    refused.refused(400, "BlobNotFound");

    s3.start_again().await;
    becomes(&app, &["blob_store"]).await;
    s3.create_bucket().await;
    becomes(&app, &[]).await;
    upload(&alice, b"too late".to_vec()).await.ok();
    // The bucket that is back is empty: this blob is gone for good.
    app.may_complain();
    let gone = download(&alice, &cid(&blob)).await;
    assert_eq!(gone.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_never_answers_costs_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            silent.push(stream);
        }
    });
    let limits = [
        ("PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS", "1000"),
        ("PDS_BLOBSTORE_S3_REQUEST_TIMEOUT_MS", "1000"),
    ];
    let mut app = start(&url, &limits).await;
    let alice = app.account("alice").await;
    upload(&alice, b"nobody listens".to_vec())
        .await
        .refused(504, "UpstreamTimeout");
    upload(&alice, vec![1; LARGE]).await.refused(504, "UpstreamTimeout");
    assert_eq!(reasons(&app).await, ["blob_store"]);
    app.stop().await;
}

/// A bucket that may be read and not written; nothing is in it.
async fn read_only_bucket() -> String {
    let answer = |method: Method| async move {
        let (status, code) = match method {
            Method::GET | Method::HEAD => (StatusCode::NOT_FOUND, "NoSuchKey"),
            _ => (StatusCode::FORBIDDEN, "AccessDenied"),
        };
        (status, format!("<Error><Code>{code}</Code></Error>"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_may_not_be_written_is_noticed_before_anybody_uploads() {
    let app = start(&read_only_bucket().await, &[]).await;
    becomes(&app, &["blob_store_read_only"]).await;
    let alice = app.account("alice").await;
    upload(&alice, b"refused".to_vec())
        .await
        .refused(502, "UpstreamFailure");
    // That reading works says nothing about writing.
    download(&alice, "bafkreihwsnuregceqh263vgdathcprnbvatyat6h6mu7ipjhhodcdbyhoy")
        .await
        .refused(400, "InvalidRequest");
    assert_eq!(reasons(&app).await, ["blob_store_read_only"]);
    let told = doctor(&["--json"], app.settings());
    let found = verdicts(&told);
    assert!(
        found.contains(&("blob store".to_owned(), "failed".to_owned())),
        "{found:?}"
    );
}
