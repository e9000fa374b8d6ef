//! Clients that ask for a whole repo and then do not take it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::create_write;
use crate::repo_car::verify_repo;
use crate::{Account, TestApp};

const NOTE: &str = "com.example.note";
const STALLED: usize = 50;
/// About what one request may carry.
const NOTES_PER_COMMIT: usize = 22;
const TEXT_BYTES: usize = 40_000;
/// Commits in the repo that is asked for: more than the kernel takes for a client that does not read.
const COMMITS: usize = 4;
/// Commits meanwhile: more than twice what the log may hold.
const COMMITS_MEANWHILE: usize = 100;
const MOST_LOG_BYTES: u64 = 64 << 20;

async fn commit(account: &Account, number: usize) {
    let text = "x".repeat(TEXT_BYTES);
    let write = |index| {
        create_write(
            NOTE,
            &format!("n{number}-{index}"),
            &json!({"text": text, "number": number}),
        )
    };
    let writes: Vec<Value> = (0..NOTES_PER_COMMIT).map(write).collect();
    account.apply(&writes).await.ok();
}

/// Asks for a repo and reads the first byte of the answer.
async fn begin_download(app: &TestApp, account: &Account) -> TcpStream {
    let mut stream = TcpStream::connect(app.api.address()).await.unwrap();
    let path = format!("/xrpc/com.atproto.sync.getRepo?did={}", account.did);
    let request = format!("GET {path} HTTP/1.1\r\nHost: pds.test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    stream
}

#[tokio::test]
async fn downloads_that_stall_do_not_keep_the_log() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    for number in 0..COMMITS {
        commit(&alice, number).await;
    }
    let mut downloads = Vec::new();
    for _ in 0..STALLED {
        downloads.push(begin_download(&app, &alice).await);
    }
    let log = app.data().join("pds.sqlite-wal");
    for number in 0..COMMITS_MEANWHILE {
        commit(&bob, number).await;
        let bytes = std::fs::metadata(&log).unwrap().len();
        assert!(bytes < MOST_LOG_BYTES, "{bytes} bytes of log after {number} commits");
    }
    let database = std::fs::metadata(app.data().join("pds.sqlite")).unwrap().len();
    assert!(
        database > MOST_LOG_BYTES,
        "too little was written to tell: {database} bytes"
    );

    // Whoever comes back gets all of it.
    let mut answer = Vec::new();
    downloads[STALLED - 1].read_to_end(&mut answer).await.unwrap();
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    verify_repo(&answer[head + 4..], &alice.did, &app.plc.signing_key(&alice.did));
}
