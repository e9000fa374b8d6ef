//! Finished exports on their way to clients. How many there are is bounded, and one of which the client takes nothing is given up, so that
//! clients who stall neither fill the disk nor keep others from theirs.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::OwnedSemaphorePermit;

use super::export::Car;
use crate::clock::Clock;
use crate::file_stream::stream;

/// A client that takes nothing for so long has lost its export as soon as somebody else wants one.
const STALLED: Duration = Duration::from_mins(5);
/// Bytes handed to the client at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A finished export: its bytes, as fast as the client takes them. One that was given up ends with an error.
pub struct Export {
    length: u64,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// When the client took something last, in µs since 1970.
    progress: AtomicI64,
    /// Nothing once it was given up.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    bytes: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// One of the exports that there may be.
    _place: OwnedSemaphorePermit,
}

/// All exports that clients have not taken yet.
#[derive(Default)]
pub(super) struct Unsent(Mutex<Vec<Weak<Shared>>>);

impl Unsent {
    /// Keeps a CAR, and its place, until a client has taken it.
    pub(super) fn keep(&self, car: Car, place: OwnedSemaphorePermit, clock: &Arc<dyn Clock>) -> Export {
        let (length, bytes): (u64, Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>) = match car {
            Car::Memory(bytes) => (
                bytes.len() as u64,
                Box::pin(futures_util::stream::iter(Pieces(bytes.into()))),
            ),
            Car::File(file, length) => (length, stream(file, 0, length)),
        };
        let shared = Arc::new(Shared {
            clock: Arc::clone(clock),
            progress: AtomicI64::new(clock.now_micros()),
            kept: Mutex::new(Some(Kept { bytes, _place: place })),
        });
        lock(&self.0).push(Arc::downgrade(&shared));
        Export { length, shared }
    }

    /// Gives up those whose clients have taken nothing for long.
    pub(super) fn give_up_stalled(&self) {
        lock(&self.0).retain(|export| {
            let Some(export) = export.upgrade() else { return false };
            let stalls = export.stalls();
            if stalls {
                lock(&export.kept).take();
            }
            !stalls
        });
    }
}

impl Shared {
    fn stalls(&self) -> bool {
        let idle = self.clock.now_micros() - self.progress.load(Ordering::Relaxed);
        u128::try_from(idle).is_ok_and(|idle| idle >= STALLED.as_micros())
    }
}

impl Export {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Stream for Export {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut kept = lock(&self.shared.kept);
        let Some(Kept { bytes, .. }) = kept.as_mut() else {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        let next = ready!(bytes.as_mut().poll_next(cx));
        self.shared
            .progress
            .store(self.shared.clock.now_micros(), Ordering::Relaxed);
        Poll::Ready(next)
    }
}

/// Bytes piece by piece, so that a connection that takes few does not hold all.
struct Pieces(Bytes);

impl Iterator for Pieces {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        let piece = self.0.split_to(self.0.len().min(CHUNK_BYTES));
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::StreamExt as _;

    use super::*;
    use crate::repo::testing::TestRepos;
    use crate::repo::{EXPORT_QUEUE, RepoError, RepoRef};

    async fn export(test: &TestRepos, repo: &RepoRef) -> Result<Export, RepoError> {
        test.repos.export(repo.repo_id, None).await
    }

    #[tokio::test]
    async fn exports_that_nobody_takes_are_given_up_when_others_want_one() {
        let test = TestRepos::open().await;
        let repo = test.account('a').await;
        let mut exports = Vec::new();
        for _ in 0..EXPORT_QUEUE {
            exports.push(export(&test, &repo).await.unwrap());
        }
        assert!(matches!(export(&test, &repo).await, Err(RepoError::Busy)));
        test.clock.advance(Duration::from_mins(4));
        let mut taken = exports.pop().unwrap();
        assert!(!taken.next().await.unwrap().unwrap().is_empty());
        assert!(matches!(export(&test, &repo).await, Err(RepoError::Busy)));

        test.clock.advance(Duration::from_mins(1));
        let fresh = export(&test, &repo).await.unwrap();
        let bytes: Vec<_> = fresh.collect().await;
        assert!(bytes.iter().all(Result::is_ok));
        let given_up = exports[0].next().await.unwrap().unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
        // Its client was there a minute ago.
        assert!(taken.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_leaves_frees_its_place() {
        let test = TestRepos::open().await;
        let repo = test.account('a').await;
        for _ in 0..=EXPORT_QUEUE {
            drop(export(&test, &repo).await.unwrap());
        }
    }

    #[test]
    fn pieces_are_all_of_the_bytes() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * CHUNK_BYTES + 7).collect();
        let pieces: Vec<Bytes> = Pieces(bytes.clone().into()).map(Result::unwrap).collect();
        assert_eq!(
            pieces.iter().map(Bytes::len).collect::<Vec<_>>(),
            [CHUNK_BYTES, CHUNK_BYTES, 7]
        );
        assert_eq!(pieces.concat(), bytes);
    }
}
