//! The one writer: a thread that takes what is queued (no timer), runs it as one transaction and acknowledges all after one fsync.
//!
//! A group is a run of record writes or a run of account changes, never both: writes are rows, stored without savepoints on a connection
//! of the thread's own, and when such a group fails they are stored again one by one, which changes, being closures, cannot be.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::disk_verdict::DiskVerdict;
use super::group::{GroupConnection, RAISE_SEQ_HIGH};
use super::leave::leave_transaction;
use super::queue::{ChangeJob, Job, Queue, Write};
use super::until_change::ChangeCount;
use super::{RecordRow, Sequence, SequencedEvent, StoreError, Tx};
use crate::observe::{Disk, Unwritable, metrics};

/// The most jobs in one group transaction: bounds what one failure rolls back and the memory of a group.
const GROUP_JOBS: usize = 256;
/// The most bytes of records and events in one group transaction.
const GROUP_BYTES: usize = 16 << 20;

type Done = oneshot::Sender<Result<(), StoreError>>;

/// The connections that write. Only the writer has them, and it uses one at a time, so that neither waits for the other.
pub(super) struct Connections {
    pub(super) groups: GroupConnection,
    pub(super) changes: SqliteConnection,
}

struct Writer {
    connections: Connections,
    /// Where changes run, which are asynchronous.
    runtime: Handle,
    sequence: Box<dyn Sequence>,
    change_count: ChangeCount,
    /// What the disk was found to be.
    verdict: Arc<DiskVerdict>,
    /// Where it is.
    data_directory: PathBuf,
    jobs: mpsc::Receiver<Job>,
    /// A job taken from the queue that did not belong into the last group.
    next: Option<Job>,
}

/// Starts the writer's thread. It ends when the queue is closed or forgotten.
pub(super) fn start(
    connections: Connections,
    sequence: Box<dyn Sequence>,
    change_count: ChangeCount,
    verdict: Arc<DiskVerdict>,
    data_directory: PathBuf,
) -> Result<Queue, StoreError> {
    let (queue, jobs) = Queue::new();
    let writer = Writer {
        connections,
        runtime: Handle::current(),
        sequence,
        change_count,
        verdict,
        data_directory,
        jobs,
        next: None,
    };
    let thread = std::thread::Builder::new().name("pds-writer".to_owned());
    thread.spawn(move || writer.run()).map_err(StoreError::Thread)?;
    Ok(queue)
}

impl Writer {
    fn run(mut self) {
        while let Some(job) = self.next.take().or_else(|| self.jobs.blocking_recv()) {
            match job {
                Job::Write { write, done } => self.writes(write, done),
                Job::Change(change) => self.changes(change),
                Job::Checkpoint => self.checkpoint(),
                Job::Close(done) => {
                    self.close();
                    let _ = done.send(());
                    return;
                }
            }
        }
        self.close();
    }

    fn checkpoint(&self) {
        let done = self.connections.groups.checkpoint();
        self.verdict
            .checkpointed(self.tell_read_only(done.map_err(StoreError::from)));
    }

    fn close(self) {
        // Leaves no log behind; failing is harmless, the next start replays it.
        if let Err(error) = self.runtime.block_on(self.connections.changes.close()) {
            tracing::warn!(%error, "closing the database");
        }
        if let Err(error) = self.connections.groups.close() {
            tracing::warn!(%error, "closing the database");
        }
    }

    /// Takes the writes that are queued behind this one and stores all of them.
    fn writes(&mut self, first: Write, done: Done) {
        let mut bytes = size(&first);
        let mut group = vec![first];
        let mut answers = vec![done];
        while group.len() < GROUP_JOBS && bytes < GROUP_BYTES {
            match self.jobs.try_recv() {
                Ok(Job::Write { write, done }) => {
                    bytes += size(&write);
                    group.push(write);
                    answers.push(done);
                }
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.write_group(&group) {
            Ok(()) => answer_all(answers),
            // While another program holds the database each write would wait for it; a read-only disk takes none.
            Err(error @ StoreError::Unwritable(Unwritable::Busy | Unwritable::ReadOnly)) => refuse_all(answers, error),
            Err(error) if group.len() == 1 || self.verdict.stopped().is_some() => refuse_all(answers, error),
            Err(error) => {
                tracing::warn!(%error, writes = group.len(), "group rolled back, storing its writes one by one");
                for (write, done) in group.iter().zip(answers) {
                    let _ = done.send(self.write_group(std::slice::from_ref(write)));
                }
            }
        }
    }

    fn write_group(&mut self, group: &[Write]) -> Result<(), StoreError> {
        let outcome = self.store_group(group);
        self.judge(outcome)
    }

    fn store_group(&mut self, group: &[Write]) -> Result<(), StoreError> {
        self.check_stopped()?;
        let place = |write: &Write| match write {
            Write::Commit(commit) => commit.event.as_ref().map(|event| self.sequence.place(event)),
            Write::Import { .. } | Write::Skeleton { .. } | Write::Upload(..) => None,
        };
        let events: Vec<Option<SequencedEvent>> = group.iter().map(place).collect();
        let rows: Vec<_> = group.iter().zip(events.iter().map(Option::as_ref)).collect();
        let transaction = self.connections.groups.put(&rows)?;
        let began = Instant::now();
        let committed = transaction.commit();
        measure_commit(group.len(), began);
        self.committed(committed.map_err(StoreError::from))?;
        self.sequence.publish(events.into_iter().flatten().collect());
        Ok(())
    }

    /// Takes the changes that are queued behind this one and runs all of them.
    fn changes(&mut self, first: Box<dyn ChangeJob>) {
        let mut group = vec![first];
        while group.len() < GROUP_JOBS {
            match self.jobs.try_recv() {
                Ok(Job::Change(change)) => group.push(change),
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let runtime = self.runtime.clone();
        let outcome = runtime.block_on(self.run_changes(&mut group));
        self.change_count.increment();
        let outcome = self.judge(outcome);
        if outcome.is_err() {
            // Before the other connection writes: this one must not hold the database any more.
            if let Err(error) = runtime.block_on(leave_transaction(&mut self.connections.changes)) {
                tracing::warn!(%error, "a transaction of account changes does not end");
            }
        }
        for change in group {
            change.finish(outcome.as_ref().map_err(StoreError::for_neighbour).copied());
        }
    }

    async fn run_changes(&mut self, group: &mut [Box<dyn ChangeJob>]) -> Result<(), StoreError> {
        self.check_stopped()?;
        let mut events = Vec::new();
        leave_transaction(&mut self.connections.changes).await?;
        let mut transaction = self.connections.changes.begin_with("BEGIN IMMEDIATE").await?;
        let jobs = group.len();
        for change in group {
            let mut tx = Tx {
                connection: &mut transaction,
                sequence: self.sequence.as_mut(),
                events: &mut events,
            };
            change.run(&mut tx).await?;
        }
        if let Some(last) = events.last() {
            raise_seq_high(&mut transaction, last.seq).await?;
        }
        let began = Instant::now();
        let committed = transaction.commit().await;
        measure_commit(jobs, began);
        self.committed(committed.map_err(StoreError::from))?;
        self.sequence.publish(events);
        Ok(())
    }

    /// Judges the outcome of a COMMIT, the one statement that waits for the disk.
    fn committed(&self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        let outcome = self.tell_read_only(outcome);
        if let Err(StoreError::Unwritable(Unwritable::Broken | Unwritable::Unreadable | Unwritable::Damaged)) = outcome
        {
            // The kernel may have dropped dirty pages: retrying would acknowledge what is not there.
            self.verdict.stop(Unwritable::Broken);
        }
        outcome
    }

    /// What is written into a damaged file may damage more of it.
    fn judge(&self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        let outcome = self.tell_read_only(outcome);
        if let Err(StoreError::Unwritable(reason @ Unwritable::Damaged)) = outcome {
            self.verdict.stop(reason);
        }
        outcome
    }

    /// SQLite does not tell a file system that has become read-only from a disk that fails. Its writes may go on when it takes them again:
    /// nothing was acknowledged since, and whatever was on its way into the log is written anew.
    fn tell_read_only(&self, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        if !matches!(
            outcome,
            Err(StoreError::Unwritable(Unwritable::Broken | Unwritable::Full))
        ) || !Disk::is_read_only(&self.data_directory)
        {
            return outcome;
        }
        self.verdict.find_read_only();
        Err(StoreError::Unwritable(Unwritable::ReadOnly))
    }

    fn check_stopped(&self) -> Result<(), StoreError> {
        self.verdict
            .stopped()
            .map_or(Ok(()), |reason| Err(StoreError::Unwritable(reason)))
    }
}

/// Counts a transaction and what its COMMIT took, which is mostly the fsync.
fn measure_commit(jobs: usize, began: Instant) {
    metrics::WRITE_FSYNC_TIME.record_time([], began.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a group is small")]
    metrics::WRITE_GROUP_SIZE.record([], jobs as f64);
}

fn size(write: &Write) -> usize {
    let bytes = |records: &[RecordRow]| records.iter().map(|record| record.content.len()).sum::<usize>();
    match write {
        // The event carries the records once more.
        Write::Commit(commit) => 2 * bytes(&commit.puts) + commit.commit.len(),
        Write::Import { rows, .. } => bytes(&rows.records),
        // What a caller gives at a time is little.
        Write::Skeleton { .. } | Write::Upload(..) => 0,
    }
}

fn refuse_all(answers: Vec<Done>, error: StoreError) {
    let mut answers = answers.into_iter();
    let first = answers.next();
    for done in answers {
        let _ = done.send(Err(error.for_neighbour()));
    }
    if let Some(done) = first {
        let _ = done.send(Err(error));
    }
}

fn answer_all(answers: Vec<Done>) {
    for done in answers {
        // A caller that went away needs no answer.
        let _ = done.send(Ok(()));
    }
}

async fn raise_seq_high(connection: &mut SqliteConnection, seq: i64) -> Result<(), StoreError> {
    sqlx::query(RAISE_SEQ_HIGH).bind(seq).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
