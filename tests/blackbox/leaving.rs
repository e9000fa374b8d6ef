//! What readers of the firehose see when the server stops, and that none of them keeps it (fault F15).

use serde_json::json;

use crate::{Firehose, TestApp};

/// RFC 6455 §7.4.1: "going away".
const GOING_AWAY: u16 = 1001;
/// The text of a record, and so many of them: more than all buffers between the server and a reader hold.
const TEXT_BYTES: usize = 900_000;
const RECORDS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_told_that_the_server_goes_and_those_that_do_not_read_do_not_keep_it() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut idle = app.firehose(None).await;
    let _sleeper = Firehose::connect_with_small_buffer(&app.api.address(), None).await;
    for number in 0..RECORDS {
        let record = json!({"text": "x".repeat(TEXT_BYTES), "number": number});
        alice.put("com.example.note", "large", &record).await;
        idle.frame().await;
    }
    let (ended, code) = tokio::join!(app.stop(), idle.close_code());
    assert_eq!(code, Some(GOING_AWAY));
    assert!(!ended.text().contains("have not finished"), "{}", ended.text());
}
