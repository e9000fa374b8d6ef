//! What somebody can make the server keep for nothing (catalogue E6).

use serde_json::json;
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Account, Answer, TestApp};

/// Uploads of one account at once.
const UPLOADS: usize = 128;

async fn upload(account: &Account, bytes: &'static str) -> Answer {
    let upload = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access);
    Answer::to(upload.header("content-type", "text/plain").body(bytes))
        .await
        .unwrap()
}

#[tokio::test]
async fn who_has_a_thousand_blobs_that_no_record_refers_to_uses_them_first() {
    let mut app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let blob = upload(&alice, "of use").await.ok()["blob"].clone();
    app.stop().await;
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let others = "WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 1000) \
                  INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) \
                  SELECT did, CAST(substr(cid, 1, 32) || char(0) || n AS BLOB), mime_type, size, state, uploaded_at FROM blob, number";
    sqlx::query(others).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    app.start_again().await;
    let message = upload(&alice, "more").await.refused(429, "RateLimitExceeded");
    assert!(message.contains("no record refers to"), "{message}");
    upload(&bob, "more").await.ok();
    alice.create("com.example.file", "a", &json!({"file": blob})).await;
    upload(&alice, "more").await.ok();
}

#[tokio::test]
async fn uploads_that_do_not_end_keep_only_their_account_from_others() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    let head = format!(
        "POST /xrpc/com.atproto.repo.uploadBlob HTTP/1.1\r\nHost: pds.test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: text/plain\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
        alice.access
    );
    let mut held = Vec::new();
    for _ in 0..UPLOADS {
        let mut stream = TcpStream::connect(app.api.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // "100 Continue" comes when the body is waited for.
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        held.push(stream);
    }
    let message = upload(&alice, "one more").await.refused(429, "RateLimitExceeded");
    assert!(message.contains("at once"), "{message}");
    upload(&bob, "one more").await.ok();
    held.pop().unwrap().write_all(b"0123456789").await.unwrap();
    let freed = async {
        while upload(&alice, "one more").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    let freed = tokio::time::timeout(std::time::Duration::from_secs(20), freed).await;
    assert!(freed.is_ok(), "an upload that has ended makes room");
}
