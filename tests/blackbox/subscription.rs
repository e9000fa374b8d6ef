//! Positions in the firehose: cursors, the step from the log to the live events, pruned logs, slow readers (catalogue L).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use atproto_repo::Frame;
use pds::clock::{Clock as _, SystemClock};
use serde_json::json;
use tokio::task::JoinSet;

use crate::firehose::StreamVerifier;
use crate::harness::{Dice, Writer, seq};
use crate::{Account, Firehose, TestApp};

const NOTE: &str = "com.example.note";

async fn connect(app: &TestApp, cursor: &str) -> Firehose {
    Firehose::connect(&app.api.address(), Some(cursor)).await
}

/// Writes one record and returns the seq of its event, which must be the next one.
async fn next_seq(account: &Account, firehose: &mut Firehose) -> i64 {
    let written = account
        .create(NOTE, &format!("r{}", SystemClock.now_micros()), &json!({"text": "x"}))
        .await;
    let Frame::Commit(commit) = firehose.frame().await else {
        panic!("a commit comes next")
    };
    assert_eq!(written["commit"]["cid"], commit.commit.to_string());
    commit.seq
}

#[tokio::test]
async fn cursors_mean_what_they_say() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut all = app.firehose(Some(0)).await;
    let mut frames = Vec::new();
    for _ in 0..4 {
        frames.push(all.frame().await);
    }
    let last = next_seq(&alice, &mut all).await;
    for cursor in ["-1", "0", "1"] {
        assert_eq!(connect(&app, cursor).await.frame().await, frames[0], "cursor {cursor}");
    }
    for index in 1..4 {
        assert_eq!(
            app.firehose(Some(seq(&frames[index - 1]))).await.frame().await,
            frames[index]
        );
    }
    let hour = 3_600_000_000;
    for cursor in [SystemClock.now_micros() + hour, 9_007_199_254_740_991] {
        assert_eq!(app.firehose(Some(cursor)).await.error().await, "FutureCursor");
    }
    for cursor in [
        "abc",
        "1.5",
        "9007199254740992",
        "99999999999999999999",
        "0x1",
        "%00",
        "1&cursor=2",
    ] {
        assert_eq!(
            connect(&app, cursor).await.error().await,
            "InvalidRequest",
            "cursor {cursor}"
        );
    }
    // These are live: the next event is the next write.
    let mut newest = last;
    for ahead in [Some(0), Some(1), None] {
        let mut live = app.firehose(ahead.map(|ahead| newest + ahead)).await;
        newest = next_seq(&alice, &mut live).await;
    }
}

/// Eight writers until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    fn start(accounts: &[Account], dice: &mut Dice) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for index in 0..8 {
            let mut writer = Writer::new(&accounts[index % accounts.len()], format!("w{index}"), dice.split());
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert!(writer.write().await);
                }
            });
        }
        Load { stop, tasks }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconnecting_anywhere_neither_misses_nor_repeats() {
    let mut dice = Dice::from_environment("reconnecting_anywhere_neither_misses_nor_repeats");
    // A short live buffer, so that readers often fall back to the log and return.
    let app = TestApp::start_with(&[("PDS_MAX_SUBSCRIPTION_BUFFER", "50")]).await;
    let accounts = [
        app.account("alice").await,
        app.account("bob").await,
        app.account("carol").await,
    ];
    let newest = Arc::new(AtomicU64::new(0));
    let load = Load::start(&accounts, &mut dice);
    let mut whole = app.firehose(Some(0)).await;
    let mut verifier = StreamVerifier::new(&app.plc);
    let mut truth: Vec<Frame> = Vec::new();
    let mut pieces: Vec<Vec<Frame>> = Vec::new();
    for _ in 0..100 {
        let first = seq_at(&truth, &mut dice);
        let mut piece = Vec::new();
        let mut firehose = app.firehose(first).await;
        for _ in 0..=dice.below(60) {
            piece.push(firehose.frame().await);
        }
        newest.fetch_add(piece.len() as u64, Ordering::Relaxed);
        while truth.last().map(seq) < piece.last().map(seq) {
            // The reader of it all may be too slow for the short buffer: then it reconnects where it was, like the others.
            match whole.next().await {
                Some(frame @ Frame::Error { .. }) => {
                    assert!(matches!(frame, Frame::Error { error, .. } if error == "ConsumerTooSlow"));
                    whole = app.firehose(Some(verifier.cursor)).await;
                }
                Some(frame) => {
                    verifier.accept(&frame);
                    truth.push(frame);
                }
                None => whole = app.firehose(Some(verifier.cursor)).await,
            }
        }
        if let Some(first) = first {
            assert_eq!(
                piece[0],
                truth[position(&truth, first)],
                "the piece begins right after its cursor"
            );
        }
        pieces.push(piece);
    }
    load.stop().await;
    for piece in pieces {
        let start = truth.partition_point(|frame| seq(frame) < seq(&piece[0]));
        assert!(
            truth[start..].starts_with(&piece),
            "a piece of the stream is as it was told to all"
        );
    }
    assert!(newest.load(Ordering::Relaxed) > 1_000);
}

/// The seq of some event among the last of those seen; sometimes none, to begin live.
fn seq_at(truth: &[Frame], dice: &mut Dice) -> Option<i64> {
    let back = usize::try_from(dice.below(150)).unwrap();
    if truth.is_empty() || back < 10 {
        return None;
    }
    Some(seq(&truth[truth.len().saturating_sub(back)]))
}

/// Where the first event after a cursor is.
fn position(truth: &[Frame], cursor: i64) -> usize {
    truth.partition_point(|frame| seq(frame) <= cursor)
}

#[tokio::test]
async fn a_pruned_log_says_so_and_goes_on() {
    let mut app = TestApp::start().await;
    app.is_not_replayed();
    let alice = app.account("alice").await;
    let mut live = app.firehose(Some(0)).await;
    let first = seq(&live.frame().await);
    for _ in 0..3 {
        live.frame().await;
    }
    let mut last = next_seq(&alice, &mut live).await;
    app.set("PDS_REPO_BACKFILL_LIMIT_MS", "1");
    app.restart().await;
    // The job that prunes runs as soon as the server is up.
    while !matches!(app.firehose(Some(first)).await.frame().await, Frame::Info { .. }) {}
    for _ in 0..2 {
        // The log is empty now; yet what was in it is not forgotten.
        let mut outdated = app.firehose(Some(first)).await;
        let Frame::Info { name, .. } = outdated.frame().await else {
            panic!("an info frame comes first")
        };
        assert_eq!(name, "OutdatedCursor");
        let mut newest = app.firehose(Some(last)).await;
        let mut oldest = app.firehose(Some(0)).await;
        let next = next_seq(&alice, &mut outdated).await;
        assert!(next > last);
        assert_eq!(
            seq(&newest.frame().await),
            next,
            "a cursor at the end of what was pruned misses nothing"
        );
        assert_eq!(seq(&oldest.frame().await), next, "0 means from the oldest that is kept");
        app.restart().await;
        while !matches!(app.firehose(Some(last)).await.frame().await, Frame::Info { .. }) {}
        last = next;
    }
}

#[tokio::test]
async fn what_readers_send_is_ignored_or_ends_the_connection() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let mut polite = app.firehose(None).await;
    polite.send(b"hello".to_vec()).await.unwrap();
    next_seq(&alice, &mut polite).await;
    let mut loud = app.firehose(None).await;
    let _ = loud.send(vec![0; 10_000_000]).await;
    assert_eq!(loud.next().await, None, "a message of 10 MB ends the connection");
    next_seq(&alice, &mut polite).await;
}
