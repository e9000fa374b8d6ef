//! The database: the only room that opens one and knows which it is.
//!
//! Everything durable is one SQLite file (WAL, `synchronous=FULL`). Readers are a pool and never wait; every change goes through the
//! one writer, a thread, which runs what is queued as one group transaction and acknowledges after one fsync (docs/ARCHITECTURE.md).

mod blob_rows;
mod damage;
mod disk_verdict;
mod error;
#[cfg(test)]
mod every_statement;
mod group;
mod inspect;
mod leave;
mod lock;
mod look_up;
mod migration_copy;
mod migrations;
mod open;
mod queue;
mod remembered;
mod sequence;
mod skeleton_rows;
mod snapshot;
mod statement;
#[cfg(test)]
pub(crate) mod testing;
mod tx;
mod until_change;
mod usage;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;

pub use error::StoreError;
pub use inspect::{inspect, is_to_be_migrated};
pub use look_up::{Column, Columns, Found};
pub use queue::{
    BlobChanges, BlobRefRow, BlobUpload, CommitWrite, ImportedRows, RecordRow, SkeletonWrite, SubjectLinkRow,
    SubjectLinks,
};
pub use sequence::{Sequence, SequencedEvent};
pub use snapshot::Snapshot;
pub use statement::Parameter;
pub use tx::Tx;
pub use until_change::{AsOf, UntilChange};
pub use usage::Usage;

use disk_verdict::DiskVerdict;
use look_up::LookUps;
use queue::{Job, Queue, UploadStage, Write};
use snapshot::Snapshots;
use until_change::ChangeCount;

use crate::observe::{Unwritable, metrics};

/// The database behind the store.
pub type Db = sqlx::Sqlite;
/// One row of an answer.
pub type Row = sqlx::sqlite::SqliteRow;
/// A connection on which only reads are done.
pub type Reader = PoolConnection<Db>;

/// What a change to accounts runs: statements on the writer's connection, inside a savepoint.
pub type Change<T, E> = Box<dyn for<'c> FnOnce(&'c mut Tx<'_>) -> BoxFuture<'c, Result<T, E>> + Send>;

/// A write-ahead log smaller than this is left as it is: what is written again and again goes to the database file once.
const TIDY_BYTES: u64 = 1 << 20;

/// Who moves the write-ahead log into the database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// This server.
    Ours,
    /// A replicating tool (`PDS_SQLITE_DISABLE_WAL_AUTO_CHECKPOINT`).
    Others,
}

/// What happens before a migration that touches existing data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeforeMigration {
    /// The database is copied.
    Copy,
    /// Nothing: somebody else has a copy (`PDS_COPY_BEFORE_MIGRATION=false`).
    Nothing,
}

/// Where the database lives and how it is opened.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Directory that holds `pds.sqlite`, its lock and `tmp/`; created if missing.
    pub data_directory: PathBuf,
    /// Who makes checkpoints.
    pub checkpoints: Checkpoints,
    /// Whether migrations that touch existing data leave a copy.
    pub before_migration: BeforeMigration,
}

/// An open database whose writer does not run yet, so that the sequencer can read where its log ends.
pub struct Database {
    readers: sqlx::Pool<Db>,
    look_ups: LookUps,
    snapshots: Snapshots,
    writer: writer::Connections,
    lock: lock::DirectoryLock,
    data_directory: PathBuf,
    checkpoints: Checkpoints,
}

/// The running store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    readers: sqlx::Pool<Db>,
    look_ups: Arc<LookUps>,
    snapshots: Arc<Snapshots>,
    queue: Queue,
    changes: ChangeCount,
    disk_verdict: Arc<DiskVerdict>,
    data_directory: Arc<PathBuf>,
    checkpoints: Checkpoints,
    // Held for as long as anybody can reach the database.
    _lock: Arc<lock::DirectoryLock>,
}

impl Database {
    /// Opens (creating if missing) and migrates the database of a data directory.
    ///
    /// # Errors
    /// If another process holds the directory, it belongs to the reference server, the schema is newer than this binary, or SQLite
    /// is too old or fails.
    pub async fn open(settings: &StoreSettings) -> Result<Database, StoreError> {
        open::open(settings).await
    }

    /// A connection for reads.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// Starts the writer, which gives every event its place through `sequence`.
    ///
    /// # Errors
    /// If the system refuses another thread.
    pub fn start(self, sequence: Box<dyn Sequence>) -> Result<Store, StoreError> {
        let disk_verdict = Arc::default();
        let changes = ChangeCount::default();
        let data_directory = self.data_directory.clone();
        let verdict = Arc::clone(&disk_verdict);
        let queue = writer::start(self.writer, sequence, changes.clone(), verdict, data_directory)?;
        Ok(Store {
            readers: self.readers,
            look_ups: Arc::new(self.look_ups),
            snapshots: Arc::new(self.snapshots),
            queue,
            changes,
            disk_verdict,
            data_directory: Arc::new(self.data_directory),
            checkpoints: self.checkpoints,
            _lock: Arc::new(self.lock),
        })
    }
}

impl Store {
    /// A connection for reads; each statement sees the newest durable state. Return it before waiting for a client.
    ///
    /// # Errors
    /// If the pool is exhausted for too long or the file cannot be read.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// Makes one record write durable: records, head and `#commit` event of one repo, in the next group transaction. The caller holds the
    /// repo's lock and has checked everything; the answer comes after the fsync.
    ///
    /// # Errors
    /// If the database refused it; then nothing of it is stored.
    pub async fn commit(&self, write: CommitWrite) -> Result<(), StoreError> {
        self.write(Write::Commit(Box::new(write))).await
    }

    /// Adds rows to a repo that no account refers to yet, in the next group transaction; `rev` is the rev that brought the records.
    ///
    /// # Errors
    /// If the database refused it; then nothing of it is stored.
    pub async fn import(&self, repo_id: i64, rev: i64, rows: ImportedRows) -> Result<(), StoreError> {
        self.write(Write::Import { repo_id, rev, rows }).await
    }

    /// Stores what changes in the skeleton of a repo's tree, in the next group transaction. The caller holds the repo's lock.
    ///
    /// # Errors
    /// If the database refused it; then nothing of it is stored.
    pub async fn put_skeleton(&self, repo_id: i64, skeleton: SkeletonWrite) -> Result<(), StoreError> {
        self.write(Write::Skeleton { repo_id, skeleton }).await
    }

    /// Makes a row for a blob, as one that is to be deleted, before its object is put into a bucket. Nothing changes if it has one.
    ///
    /// # Errors
    /// If the database refused it.
    pub async fn begin_upload(&self, upload: BlobUpload) -> Result<(), StoreError> {
        self.write(Write::Upload(upload, UploadStage::Begun)).await
    }

    /// Says that the file of a blob is in place: from now on the blob is temporary, or permanent if a record refers to it.
    ///
    /// # Errors
    /// If the database refused it.
    pub async fn finish_upload(&self, upload: BlobUpload) -> Result<(), StoreError> {
        self.write(Write::Upload(upload, UploadStage::InPlace)).await
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let (done, answer) = tokio::sync::oneshot::channel();
        self.queue.push(Job::Write { write, done }).await?;
        let stored = answer.await.map_err(|_| StoreError::CLOSED)?;
        let is_full = matches!(stored, Err(StoreError::Unwritable(Unwritable::Full)));
        self.disk_verdict.find_full(is_full);
        stored
    }

    /// Runs a change of accounts (anything but record writes) on the writer, in a savepoint of the next group transaction. What it
    /// returns arrives after the fsync; an error rolls back its savepoint only. The change runs even if the caller goes away.
    ///
    /// # Errors
    /// The change's own error, or the store's.
    pub async fn change<T, E, F>(&self, change: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx<'_>) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        let (job, answer) = queue::change(change);
        self.queue.push(job).await.map_err(E::from)?;
        answer.await.map_err(|_| E::from(StoreError::CLOSED))?
    }

    /// What has stopped all writes, if anything has: an I/O error while committing, until a restart, or a damaged file. Reads go on.
    pub fn writes_stopped(&self) -> Option<Unwritable> {
        self.disk_verdict.stopped()
    }

    /// Whether a write has found the file system read-only since this was asked last. Writes go on when it takes them again.
    pub fn found_read_only(&self) -> bool {
        self.disk_verdict.take_read_only()
    }

    /// Whether the disk failed the last checkpoint. Nothing is lost, the log keeps it; the next one may work.
    pub fn checkpoint_fails(&self) -> bool {
        self.disk_verdict.checkpoint_fails()
    }

    /// Reads something, and says whether that worked.
    pub async fn can_be_read(&self) -> bool {
        let found = self.look_up("SELECT seq_high FROM sequencer", [], |row| row.column::<i64>(0));
        let found = found.await;
        if let Err(error) = &found {
            tracing::error!(%error, "the database cannot be read");
        }
        found.is_ok()
    }

    /// Whether the last write of records was refused because the disk was full.
    pub fn found_full(&self) -> bool {
        self.disk_verdict.is_full()
    }

    /// Moves a large write-ahead log into the database file, if checkpoints are ours and nothing was written since this was asked last:
    /// then no write has to wait for it, and a start has little to read.
    ///
    /// # Errors
    /// If the writer has ended.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let rests = self.queue.rests();
        let is_due = self.log_bytes() >= TIDY_BYTES || self.checkpoint_fails();
        if rests && self.checkpoints == Checkpoints::Ours && is_due {
            self.queue.push(Job::Checkpoint).await?;
        }
        Ok(())
    }

    /// Writes what is known without asking the database into the metrics.
    pub fn measure(&self) {
        metrics::WRITE_QUEUE_DEPTH.set_count([], self.queue.depth() as u64);
        metrics::DATABASE_BYTES.set_count([], self.file_bytes(open::DATABASE_FILE));
        metrics::DATABASE_WAL_BYTES.set_count([], self.log_bytes());
    }

    fn log_bytes(&self) -> u64 {
        self.file_bytes(open::LOG_FILE)
    }

    fn file_bytes(&self, name: &str) -> u64 {
        std::fs::metadata(self.data_directory.join(name)).map_or(0, |file| file.len())
    }

    /// The data directory, absolute or as configured.
    pub fn data_directory(&self) -> &std::path::Path {
        &self.data_directory
    }

    /// Ends the writer after what is queued and closes every connection. The writer's is the last one, so that SQLite moves the
    /// write-ahead log into the database file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.look_ups.close();
        self.snapshots.close();
        self.queue.close().await;
    }
}
