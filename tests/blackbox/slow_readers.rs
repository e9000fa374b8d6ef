//! Readers of the firehose that do not read (catalogue L3): they cost little, hold nobody up, and are told to go.

use atproto_repo::Frame;
use serde_json::json;

use crate::harness::seq;
use crate::{Firehose, TestApp, metrics};

const NOTE: &str = "com.example.note";
/// Many, each with little on the way.
const SLEEPERS: usize = 200;
/// What one of them may cost: its connection and the events that are on their way to it.
const MOST_BYTES_PER_SLEEPER: u64 = 160 << 10;
/// What the events and writes themselves may cost beside.
const MOST_BYTES_BESIDE: u64 = 32 << 20;
/// More pages of one large event than all pages together may have memory.
const BACKFILL_SLEEPERS: usize = 70;
/// Large events: each fills a page.
const LARGE_EVENTS: usize = 7;

/// Reads on until it is told that it was too slow; the last event it got.
async fn told_to_go(sleeper: &mut Firehose) -> i64 {
    let mut last = 0;
    let error = loop {
        match sleeper.frame().await {
            Frame::Error { error, .. } => break error,
            frame => {
                assert!(seq(&frame) > last);
                last = seq(&frame);
            }
        }
    };
    assert_eq!(error, "ConsumerTooSlow");
    assert_eq!(sleeper.next().await, None);
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_holds_nobody_up() {
    let app = TestApp::start_with(&[("PDS_MAX_SUBSCRIPTION_BUFFER", "10"), ("PDS_METRICS_PORT", "0")]).await;
    let alice = app.account("alice").await;
    let mut lag = 0.0_f64;
    let mut sleepers = Vec::new();
    for _ in 0..10 {
        sleepers.push(Firehose::connect_with_small_buffer(&app.api.address(), None).await);
    }
    let mut reader = app.firehose(None).await;
    // More than all buffers between the server and a reader hold.
    let text = "x".repeat(900_000);
    for number in 0..30 {
        let written = alice.put(NOTE, "large", &json!({"text": text, "number": number})).await;
        let Frame::Commit(commit) = reader.frame().await else {
            panic!("a commit comes next")
        };
        assert_eq!(written["commit"]["cid"], commit.commit.to_string());
        let behind = metrics::series(&app, "pds_firehose_subscriber_lag_events").await;
        lag = lag.max(behind.unwrap());
    }
    assert!((1.0..=11.0).contains(&lag), "{lag} events behind");
    for mut sleeper in sleepers {
        let last = told_to_go(&mut sleeper).await;
        // Where it was, it can go on.
        assert!(seq(&app.firehose(Some(last)).await.frame().await) > last);
    }
    metrics::becomes(
        &app,
        "pds_firehose_disconnects_total{reason=\"consumer_too_slow\"}",
        10.0,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_readers_that_do_not_read_cost_little() {
    let app = TestApp::start_with(&[("PDS_MAX_SUBSCRIPTION_BUFFER", "10"), ("PDS_METRICS_PORT", "0")]).await;
    let alice = app.account("alice").await;
    let mut reader = app.firehose(None).await;
    let before = app.process().peak_memory();
    let mut sleepers = Vec::new();
    for _ in 0..SLEEPERS {
        sleepers.push(Firehose::connect_with_small_buffer(&app.api.address(), None).await);
    }
    let text = "x".repeat(60_000);
    for number in 0..100 {
        let written = alice
            .put(NOTE, "medium", &json!({"text": text, "number": number}))
            .await;
        let Frame::Commit(commit) = reader.frame().await else {
            panic!("a commit comes next")
        };
        assert_eq!(written["commit"]["cid"], commit.commit.to_string());
    }
    let grown = app.process().peak_growth(before);
    assert!(
        grown < SLEEPERS as u64 * MOST_BYTES_PER_SLEEPER + MOST_BYTES_BESIDE,
        "{grown} bytes for {SLEEPERS}"
    );
    for sleeper in &mut sleepers {
        told_to_go(sleeper).await;
    }
    let count = format!("{SLEEPERS}").parse().unwrap();
    metrics::becomes(
        &app,
        "pds_firehose_disconnects_total{reason=\"consumer_too_slow\"}",
        count,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_old_events_that_do_not_read_make_room_for_others() {
    let mut app = TestApp::start_with(&[("PDS_METRICS_PORT", "0")]).await;
    let alice = app.account("alice").await;
    let text = "x".repeat(990_000);
    for number in 0..LARGE_EVENTS {
        alice.put(NOTE, "large", &json!({"text": text, "number": number})).await;
    }
    // Nothing of them is in memory then.
    app.restart().await;
    let mut sleepers = Vec::new();
    for _ in 0..BACKFILL_SLEEPERS {
        sleepers.push(Firehose::connect_with_small_buffer(&app.api.address(), Some(0)).await);
    }
    // They fill what is between them and the server, then the room: from then on this reader has to wait for its events, but not for long.
    let cut = "pds_firehose_disconnects_total{reason=\"consumer_too_slow\"}";
    while metrics::series(&app, cut).await.unwrap_or_default() == 0.0 {
        let mut reader = app.firehose(Some(0)).await;
        let mut large = 0;
        while large < LARGE_EVENTS {
            if let Frame::Commit(commit) = reader.frame().await {
                large += usize::from(commit.blocks.len() > text.len());
            }
        }
    }
}
