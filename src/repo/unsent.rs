//! Finished exports on their way to clients. Their number and their bytes are bounded, and one of which the client takes nothing, or next
//! to nothing, is given up, so that clients who stall neither fill the disk nor keep others from theirs.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::RepoError;
use super::export::{Car, SpoolFile};
use crate::clock::Clock;
use crate::file_stream::stream;
use crate::observe::Disk;

/// A client that takes nothing for so long has lost its export as soon as somebody else wants one.
const STALLED: Duration = Duration::from_mins(5);
/// As has one that, after that time, has taken less than this of each second.
const BYTES_PER_SECOND: u64 = 4 << 10;
/// What all files of exports may have together, in MiB: several of the largest repos.
const ROOM_MIB: usize = 8 << 10;
/// What all exports that a full disk does not take may have together in memory, in MiB: a large repo, or some of the usual size.
const MEMORY_ROOM_MIB: usize = 64;
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
    /// When it began to be sent, in µs since 1970.
    began: i64,
    /// Bytes that the client has taken.
    taken: AtomicU64,
    /// Nothing once it was given up.
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    bytes: BoxStream<'static, io::Result<Bytes>>,
    /// One of the exports that there may be.
    _place: OwnedSemaphorePermit,
    /// Its part of the room for files, and of that in memory.
    _rooms: [Option<OwnedSemaphorePermit>; 2],
}

/// All exports that clients have not taken yet.
pub(super) struct Unsent {
    exports: Mutex<Vec<Weak<Shared>>>,
    /// MiB that may still be written to files.
    room: Arc<Semaphore>,
    /// MiB that may still be kept in memory for want of a file.
    memory_room: Arc<Semaphore>,
}

impl Unsent {
    pub(super) fn new() -> Unsent {
        Unsent::with_room(ROOM_MIB)
    }

    fn with_room(mib: usize) -> Unsent {
        Unsent {
            exports: Mutex::default(),
            room: Arc::new(Semaphore::new(mib)),
            memory_room: Arc::new(Semaphore::new(MEMORY_ROOM_MIB)),
        }
    }

    /// Room for so many bytes more in a directory, in whole MiB.
    ///
    /// # Errors
    /// [`RepoError::Busy`] if clients have left too much untaken, or if the disk is nearly full: what is left belongs to the database.
    pub(super) fn room_for(&self, bytes: usize, directory: &Path) -> Result<OwnedSemaphorePermit, RepoError> {
        Disk::of(directory)?.has_room()?;
        take_mib(&self.room, bytes).ok_or(RepoError::Busy)
    }

    /// Room in memory for so many bytes more that the disk does not take, in whole MiB; none if there is none left.
    pub(super) fn room_in_memory(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        take_mib(&self.memory_room, bytes)
    }

    /// Keeps a CAR, and its place, until a client has taken it.
    pub(super) fn keep(&self, car: Car, place: OwnedSemaphorePermit, clock: &Arc<dyn Clock>) -> Export {
        let in_memory: usize = car.memory.iter().map(Bytes::len).sum();
        let rest = futures_util::stream::iter(car.memory.into_iter().flat_map(Pieces));
        let (length, bytes, room) = match car.file {
            None => (0, rest.boxed(), None),
            Some(SpoolFile { file, length, room }) => (length, stream(file, 0, length).chain(rest).boxed(), Some(room)),
        };
        let length = length + in_memory as u64;
        let now = clock.now_micros();
        let shared = Arc::new(Shared {
            clock: Arc::clone(clock),
            progress: AtomicI64::new(now),
            began: now,
            taken: AtomicU64::new(0),
            kept: Mutex::new(Some(Kept {
                bytes,
                _place: place,
                _rooms: [room, car.room],
            })),
        });
        lock(&self.exports).push(Arc::downgrade(&shared));
        Export { length, shared }
    }

    /// Gives up those whose clients have taken nothing for long, or too little.
    pub(super) fn give_up_stalled(&self) {
        lock(&self.exports).retain(|export| {
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
        let now = self.clock.now_micros();
        let since = |then: i64| Duration::from_micros(u64::try_from(now - then).unwrap_or(0));
        let earned = Duration::from_secs(self.taken.load(Ordering::Relaxed) / BYTES_PER_SECOND);
        since(self.progress.load(Ordering::Relaxed)) >= STALLED || since(self.began) >= STALLED + earned
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
        if let Some(Ok(piece)) = &next {
            self.shared.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
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

fn take_mib(room: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
    Arc::clone(room).try_acquire_many_owned(mib).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::repo::testing::{TestRepos, create_text};
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
        assert!(matches!(export(&test, &repo).await, Err(RepoError::Busy)));

        test.clock.advance(Duration::from_mins(1));
        let fresh = export(&test, &repo).await.unwrap();
        let bytes: Vec<_> = fresh.collect().await;
        assert!(bytes.iter().all(Result::is_ok));
        let given_up = exports[0].next().await.unwrap().unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_export_that_is_taken_bit_by_bit_is_given_up_too() {
        let test = TestRepos::open().await;
        let repo = test.account('a').await;
        let large = "x".repeat(5 * CHUNK_BYTES);
        test.write(&repo, vec![create_text("com.example.note/a", &large)])
            .await
            .unwrap();
        let (mut slow, mut slower) = (export(&test, &repo).await.unwrap(), export(&test, &repo).await.unwrap());
        // 64 KiB are 16 s at the least pace allowed.
        for _ in 0..2 {
            assert!(slow.next().await.unwrap().is_ok());
        }
        test.clock.advance(Duration::from_mins(5) - Duration::from_secs(1));
        for export in [&mut slow, &mut slower] {
            assert!(export.next().await.unwrap().is_ok());
        }
        test.clock.advance(Duration::from_secs(30));
        drop(export(&test, &repo).await.unwrap());
        assert!(slow.next().await.unwrap().is_ok());
        assert_eq!(
            slower.next().await.unwrap().unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    }

    #[tokio::test]
    async fn the_room_for_files_is_bounded_and_comes_back() {
        let unsent = Unsent::with_room(2);
        let directory = Path::new("/");
        let room = unsent.room_for(1, directory).unwrap();
        assert!(matches!(
            unsent.room_for((1 << 20) + 1, directory),
            Err(RepoError::Busy)
        ));
        drop(room);
        assert!(unsent.room_for((1 << 20) + 1, directory).is_ok());
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
