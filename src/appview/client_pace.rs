//! Answers on their way to clients that may stop taking them.
//!
//! A stream's own deadlines pass only while somebody asks it for more, and nobody does while a client's connection is full.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a client may take to make room for the next part of an answer.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// The same chunks, asked for in a task of their own, at most two ahead of the client. If it makes no room for a minute, the stream is
/// dropped and the answer cut off; if it leaves, the stream is dropped at once.
pub(super) fn at_own_pace(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut chunks = pin!(chunks);
        loop {
            let next = tokio::select! {
                next = chunks.next() => next,
                () = sender.closed() => return,
            };
            let is_last = !matches!(next, Some(Ok(_)));
            let sent = timeout(MAX_PAUSE, sender.send(next)).await;
            if is_last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    let passed_on = stream::unfold(receiver, async |mut receiver| match receiver.recv().await {
        Some(next) => next.map(|chunk| (chunk, receiver)),
        // It did not come to its end.
        None => Some((Err(io::ErrorKind::TimedOut.into()), receiver)),
    });
    // Who compresses an answer asks once more after its end.
    passed_on.fuse()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use tokio::time::{Instant, sleep_until};

    use super::*;

    type Chunks = stream::BoxStream<'static, io::Result<Bytes>>;

    /// Chunks, and what is freed when they are dropped.
    fn chunks(number: usize) -> (Chunks, std::sync::Weak<()>) {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let chunks = stream::repeat_with(move || {
            let _ = &held;
            Ok(Bytes::from_static(b"x"))
        });
        (chunks.take(number).boxed(), weak)
    }

    async fn pass(time: Duration) {
        sleep_until(Instant::now() + time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_it_arrives_at_a_slow_client() {
        let (chunks, held) = chunks(5);
        let mut answer = pin!(at_own_pace(chunks));
        for _ in 0..5 {
            assert_eq!(answer.next().await.unwrap().unwrap(), "x");
            pass(MAX_PAUSE / 2).await;
        }
        for _ in 0..2 {
            assert!(answer.next().await.is_none(), "however often it is asked");
        }
        assert_eq!(held.strong_count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_taking_it_holds_nothing() {
        let (chunks, held) = chunks(usize::MAX);
        let mut answer = pin!(at_own_pace(chunks));
        assert!(answer.next().await.unwrap().is_ok());
        pass(MAX_PAUSE + Duration::from_secs(1)).await;
        assert_eq!(held.strong_count(), 0);
        let rest: Vec<_> = answer.take(3).collect().await;
        assert!(rest.last().unwrap().is_err(), "it is seen to be cut off");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_ends_it_and_errors_arrive() {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let silent = stream::once(async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(Bytes::new())
        });
        drop(at_own_pace(silent));
        pass(Duration::from_secs(1)).await;
        assert_eq!(weak.strong_count(), 0);
        let broken = stream::iter([Ok(Bytes::new()), Err(io::ErrorKind::BrokenPipe.into())]);
        let arrived: Vec<_> = at_own_pace(broken).take(2).collect().await;
        assert!(arrived[0].is_ok());
        assert_eq!(arrived[1].as_ref().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
