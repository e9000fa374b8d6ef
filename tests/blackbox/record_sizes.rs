//! The size limits of records and of events (catalogue C7, C12).

use serde_json::json;

use crate::firehose::StreamVerifier;
use crate::harness::create_write;
use crate::records::{NOTE, send};
use crate::repo_car::verify_repo;
use crate::untouched::Untouched;
use crate::{Answer, TestApp};

/// A record of so many numbers that take 4 bytes of JSON and 9 of DAG-CBOR, and so many that take 2 and 1: 31 bytes and those.
fn numbers(long: usize, short: usize) -> String {
    format!("{{\"b\":[{}{}0]}}", "9e9,".repeat(long), "1,".repeat(short - 1))
}

#[tokio::test]
async fn records_are_at_most_a_million_bytes() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let message = send(&app, &alice, &numbers(111_107, 7))
        .await
        .refused(400, "InvalidRequest");
    assert!(message.contains("1000001 bytes"), "{message}");
    send(&app, &alice, &format!("{{\"b\":\"{}\"}}", "x".repeat(1_000_000)))
        .await
        .refused(413, "PayloadTooLargeError");
    untouched.assert(&app).await;
    send(&app, &alice, &numbers(111_107, 6)).await.ok();
    verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
}

#[tokio::test]
async fn events_have_at_most_two_million_bytes_of_blocks() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let untouched = Untouched::of(&app, &alice).await;
    let write = async |long: usize| {
        let rkeys = ["a", "b", "c"];
        let writes: Vec<_> = rkeys
            .iter()
            .map(|rkey| create_write(NOTE, rkey, &json!(rkey)))
            .collect();
        let mut input = json!({"repo": alice.did.as_str(), "writes": writes}).to_string();
        for (index, rkey) in rkeys.iter().enumerate() {
            input = input.replace(
                &format!("\"value\":\"{rkey}\""),
                &format!("\"value\":{}", numbers(long, index + 1)),
            );
        }
        let request = app.api.post("com.atproto.repo.applyWrites").bearer_auth(&alice.access);
        Answer::to(request.header("content-type", "application/json").body(input))
            .await
            .unwrap()
    };
    let message = write(75_000).await.refused(400, "InvalidRequest");
    assert_eq!(message, "Too many writes. Max event size: 2MB");
    untouched.assert(&app).await;
    write(73_000).await.ok();
    StreamVerifier::new(&app.plc)
        .read_up_to(&mut app.firehose(Some(0)).await, &alice)
        .await;
}
