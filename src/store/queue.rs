//! The writer's queue: what can be asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atproto_data::{Cid, Did};
use atproto_repo::frame::EventBody;
use atproto_repo::mst::{SkeletonChanges, SkeletonEntry};
use futures_util::future::BoxFuture;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, Tx};

/// How many changes may wait for the writer before callers wait themselves.
const QUEUE_LENGTH: usize = 1_024;

/// A record as it is stored.
#[derive(Clone, Debug)]
pub struct RecordRow {
    /// `collection/rkey`.
    pub path: String,
    /// CID of `content`.
    pub cid: Cid,
    /// DAG-CBOR of the record.
    pub content: Vec<u8>,
}

/// Rows of `subject_link`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectLinks {
    /// Rows that are new.
    pub added: Vec<SubjectLinkRow>,
    /// Rows that go.
    pub removed: Vec<SubjectLinkRow>,
}

/// That a record is about a subject of which a repo should have one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectLinkRow {
    /// Collection and subject.
    pub link: String,
    /// `collection/rkey` of the record.
    pub path: String,
}

/// Some of the rows of a repo that is being imported.
#[derive(Debug, Default)]
pub struct ImportedRows {
    /// The records.
    pub records: Vec<RecordRow>,
    /// Collections of which the repo had no record before.
    pub collections_begun: Vec<String>,
    /// Rows of `subject_link` of the records.
    pub subject_links: Vec<SubjectLinkRow>,
    /// References of the records to blobs.
    pub blob_refs: Vec<BlobRefRow>,
}

/// That a record refers to a blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobRefRow {
    /// `collection/rkey` of the record.
    pub path: String,
    /// The blob.
    pub cid: Cid,
}

/// An upload of a blob.
#[derive(Clone, Debug)]
pub struct BlobUpload {
    /// Whose it is.
    pub did: Did,
    /// The blob.
    pub cid: Cid,
    /// Its media type.
    pub mime_type: String,
    /// Its size in bytes.
    pub size: i64,
    /// When, in µs since 1970.
    pub at: i64,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug)]
pub(super) enum UploadStage {
    /// Its object is about to be put into a bucket.
    Begun,
    /// Its file or object is there.
    InPlace,
}

/// What a commit changes about the blobs that its repo's records refer to. Most commits change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobChanges {
    /// References that were not there before; their blobs become permanent.
    pub added: Vec<BlobRefRow>,
    /// References that are no more; blobs that no record refers to then are to be deleted.
    pub removed: Vec<BlobRefRow>,
}

/// What changes in the stored skeleton of a repo's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkeletonWrite {
    /// Some entries; none for small repos.
    Change(SkeletonChanges),
    /// These are all.
    Replace(Vec<SkeletonEntry>),
}

impl Default for SkeletonWrite {
    fn default() -> Self {
        SkeletonWrite::Change(SkeletonChanges::default())
    }
}

/// One commit of one repo, complete: everything that becomes durable together.
#[derive(Debug)]
pub struct CommitWrite {
    /// The account whose repo it is.
    pub account_id: i64,
    /// The repo.
    pub repo_id: i64,
    /// CID of `commit`.
    pub commit_cid: Cid,
    /// The commit's rev, a TID as an integer.
    pub rev: i64,
    /// The signed commit block.
    pub commit: Vec<u8>,
    /// Records created or changed; no path twice.
    pub puts: Vec<RecordRow>,
    /// Paths of deleted records; none of them also in `puts`.
    pub deletes: Vec<String>,
    /// What changes in `subject_link`; mostly nothing.
    pub subject_links: SubjectLinks,
    /// Collections of which the repo had no record before.
    pub collections_begun: Vec<String>,
    /// Collections of which the repo has no record any more.
    pub collections_ended: Vec<String>,
    /// What changes in the stored skeleton.
    pub skeleton: SkeletonWrite,
    /// What changes about the blobs that the records refer to.
    pub blobs: BlobChanges,
    /// The `#commit` event; absent for a repo whose account is inactive.
    pub event: Option<EventBody>,
}

/// Rows for the writer to store, in a group of such.
#[derive(Debug)]
pub(super) enum Write {
    Commit(Box<CommitWrite>),
    Import { repo_id: i64, rev: i64, rows: ImportedRows },
    Skeleton { repo_id: i64, skeleton: SkeletonWrite },
    Upload(BlobUpload, UploadStage),
}

/// Something for the writer to do.
pub(super) enum Job {
    Write {
        write: Write,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Change(Box<dyn ChangeJob>),
    /// Move the write-ahead log into the database file.
    Checkpoint,
    Close(oneshot::Sender<()>),
}

/// A change of accounts with its caller's types hidden.
pub(super) trait ChangeJob: Send {
    /// Runs it in a savepoint; afterwards the outcome is kept until `finish`. An error says that the transaction does not stand any more.
    fn run<'c>(&'c mut self, tx: &'c mut Tx<'_>) -> BoxFuture<'c, Result<(), StoreError>>;
    /// Answers the caller: `Ok` after the fsync, else why the group was rolled back.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

struct PendingChange<T, E, F> {
    change: Option<F>,
    outcome: Option<Result<T, E>>,
    done: oneshot::Sender<Result<T, E>>,
}

/// Wraps a change into a job and the place where its answer will arrive.
pub(super) fn change<T, E, F>(change: F) -> (Job, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'c> FnOnce(&'c mut Tx<'_>) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
{
    let (done, answer) = oneshot::channel();
    (
        Job::Change(Box::new(PendingChange {
            change: Some(change),
            outcome: None,
            done,
        })),
        answer,
    )
}

impl<T, E, F> ChangeJob for PendingChange<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'c> FnOnce(&'c mut Tx<'_>) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
{
    fn run<'c>(&'c mut self, tx: &'c mut Tx<'_>) -> BoxFuture<'c, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(change) = self.change.take() else {
                return Ok(());
            };
            let events_before = tx.events.len();
            let mut savepoint = tx.connection.begin().await?;
            let mut inner = Tx {
                connection: &mut savepoint,
                sequence: &mut *tx.sequence,
                events: &mut *tx.events,
            };
            let outcome = self.outcome.insert(change(&mut inner).await);
            if outcome.is_ok() {
                savepoint.commit().await?;
            } else {
                tx.events.truncate(events_before);
                savepoint.rollback().await?;
            }
            Ok(())
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            // Its own error tells the caller more than that its neighbours failed too.
            (Err(_), Some(Err(error))) => Err(error),
            (Err(error), _) => Err(E::from(error)),
            (Ok(()), None) => Err(E::from(StoreError::CLOSED)),
        };
        // A caller that went away needs no answer.
        let _ = self.done.send(answer);
    }
}

/// The sending side of the queue.
#[derive(Clone)]
pub(super) struct Queue {
    sender: mpsc::Sender<Job>,
    /// How many jobs there have been…
    pushed: Arc<AtomicU64>,
    /// …when somebody asked last.
    pushed_before: Arc<AtomicU64>,
}

impl Queue {
    pub(super) fn new() -> (Queue, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let queue = Queue {
            sender,
            pushed: Arc::default(),
            pushed_before: Arc::default(),
        };
        (queue, receiver)
    }

    pub(super) async fn push(&self, job: Job) -> Result<(), StoreError> {
        self.pushed.fetch_add(1, Ordering::Relaxed);
        self.sender.send(job).await.map_err(|_| StoreError::CLOSED)
    }

    /// Whether nothing has come since this was asked last.
    pub(super) fn rests(&self) -> bool {
        let pushed = self.pushed.load(Ordering::Relaxed);
        self.pushed_before.swap(pushed, Ordering::Relaxed) == pushed
    }

    /// How many jobs wait.
    pub(super) fn depth(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// Waits until everything queued is done and the writer has ended.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.push(Job::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}
