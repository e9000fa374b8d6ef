//! A thousand readers of the firehose at once, and more connections than there are files.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use atproto_repo::Frame;
use pds::server::open_files;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::seq;
use crate::{Account, Firehose, TestApp};

/// Half of them read what was written before they came, half what comes from then on.
const SUBSCRIBERS: usize = 1_000;
/// Connections under way at a time.
const AT_ONCE: usize = 50;
const EVENTS_BEFORE: usize = 60;
const EVENTS_MEANWHILE: usize = 40;
const WRITERS: usize = 4;
/// What a subscriber may cost the server: its connection, and a page of events on the way.
const MOST_BYTES_PER_SUBSCRIBER: u64 = 64 << 10;
/// What the events and writes themselves may cost beside.
const MOST_BYTES_BESIDE: u64 = 32 << 20;

/// Few, as in a container that nobody made larger.
const OPEN_FILES: usize = 256;

/// What tells one frame from another; a thousand readers cannot keep them all.
fn fingerprint(frame: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    frame.hash(&mut hasher);
    hasher.finish()
}

/// The next frames as they come.
async fn read(mut firehose: Firehose, count: usize) -> (Vec<u64>, Firehose) {
    let mut frames = Vec::with_capacity(count);
    while frames.len() < count {
        frames.push(fingerprint(&firehose.next_bytes().await.expect("the firehose goes on")));
    }
    (frames, firehose)
}

async fn write(account: &Account, name: &str, count: usize) {
    for number in 0..count {
        let record = json!({"text": format!("{name} {number}")});
        account
            .create("com.example.note", &format!("{name}-{number}"), &record)
            .await;
    }
}

/// Opens as many subscriptions as there are cursors, and waits until each has its place.
async fn subscribe(app: &TestApp, cursors: &[Option<i64>]) -> Vec<Firehose> {
    let mut all = Vec::with_capacity(cursors.len());
    for some in cursors.chunks(AT_ONCE) {
        let opening = some.iter().map(|cursor| app.firehose(*cursor));
        all.extend(futures_util::future::join_all(opening).await);
    }
    all
}

/// Reads the whole stream: the seq and the fingerprint of every event, in order.
async fn read_all(app: &TestApp, count: usize) -> Vec<(i64, u64)> {
    let mut firehose = app.firehose(Some(0)).await;
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        let bytes = firehose.next_bytes().await.unwrap();
        events.push((seq(&Frame::decode(&bytes).unwrap()), fingerprint(&bytes)));
    }
    assert!(events.is_sorted_by_key(|(seq, _)| *seq));
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_get_every_event_once_and_in_order() {
    let files = open_files::raise_limit().unwrap().unwrap_or(u64::MAX);
    assert!(
        files > 2 * SUBSCRIBERS as u64,
        "{files} open files are too few: `ulimit -n`"
    );
    let app = TestApp::start_with_few_open_files().await;
    let alice = Arc::new(app.account("alice").await);
    write(&alice, "before", EVENTS_BEFORE).await;
    // The account's own four events come first.
    let before = read_all(&app, 4 + EVENTS_BEFORE).await;
    let alone = app.process().memory();

    let live = subscribe(&app, &[None; SUBSCRIBERS / 2]).await;
    let mut readers = JoinSet::new();
    let start = before.len();
    for firehose in live {
        readers.spawn(async move { (start, read(firehose, EVENTS_MEANWHILE).await) });
    }
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let alice = Arc::clone(&alice);
        writers.spawn(async move { write(&alice, &format!("w{number}"), EVENTS_MEANWHILE / WRITERS).await });
    }
    let starts: Vec<usize> = (0..SUBSCRIBERS / 2).map(|number| number % before.len()).collect();
    let cursors: Vec<_> = starts.iter().map(|start| Some(before[*start].0)).collect();
    for (firehose, start) in subscribe(&app, &cursors).await.into_iter().zip(starts) {
        let rest = before.len() - start - 1 + EVENTS_MEANWHILE;
        readers.spawn(async move { (start + 1, read(firehose, rest).await) });
    }
    writers.join_all().await;
    let read = readers.join_all().await;
    assert_eq!(read.len(), SUBSCRIBERS);

    let memory = app.process().memory();
    let most = alone + SUBSCRIBERS as u64 * MOST_BYTES_PER_SUBSCRIBER + MOST_BYTES_BESIDE;
    println!("{alone} bytes without subscribers, {memory} with {SUBSCRIBERS}");
    assert!(memory < most, "{memory} bytes in use, {alone} before");
    let all: Vec<u64> = read_all(&app, before.len() + EVENTS_MEANWHILE)
        .await
        .into_iter()
        .map(|(_, fingerprint)| fingerprint)
        .collect();
    for (start, (frames, _)) in read {
        assert!(frames == all[start..], "a reader from event {start} on");
    }
}

#[tokio::test]
async fn connections_that_stay_open_shut_nobody_out() {
    let app = TestApp::start_with_at_most_open_files(OPEN_FILES).await;
    let alice = app.account("alice").await;
    let mut open = Vec::new();
    for _ in 0..2 * OPEN_FILES {
        open.push(TcpStream::connect(app.api.address()).await.unwrap());
    }
    // Each on a connection of its own.
    let mut requests = JoinSet::new();
    for number in 0..20 {
        let alice = alice.clone();
        requests.spawn(async move { write(&alice, &format!("n{number}"), 1).await });
    }
    requests.join_all().await;
    app.account("bob").await;
}
