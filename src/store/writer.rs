//! The one writer: takes what is queued (no timer), runs it as one transaction and acknowledges all after one fsync.
//!
//! A group is a run of record commits or a run of account changes, never both: commits are a few multi-row statements without savepoints,
//! and when such a group fails they are run again one by one, which changes, being closures, cannot be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::error::{DiskState, disk_state};
use super::leave::leave_transaction;
use super::queue::{ChangeJob, Job, Queue};
use super::{CommitWrite, Sequence, SequencedEvent, StoreError, Tx, bulk};

/// The most jobs in one group transaction: bounds what one failure rolls back and the memory of a group.
const GROUP_JOBS: usize = 256;
/// The most bytes of records and events in one group transaction.
const GROUP_BYTES: usize = 16 << 20;

type Done = oneshot::Sender<Result<(), StoreError>>;

struct Writer {
    connection: SqliteConnection,
    sequence: Box<dyn Sequence>,
    writes_stopped: Arc<AtomicBool>,
    jobs: mpsc::Receiver<Job>,
    /// A job taken from the queue that did not belong into the last group.
    next: Option<Job>,
}

pub(super) fn start(
    connection: SqliteConnection,
    sequence: Box<dyn Sequence>,
    writes_stopped: Arc<AtomicBool>,
) -> Queue {
    let (queue, jobs) = Queue::new();
    let writer = Writer {
        connection,
        sequence,
        writes_stopped,
        jobs,
        next: None,
    };
    tokio::spawn(writer.run());
    queue
}

impl Writer {
    async fn run(mut self) {
        loop {
            let job = match self.next.take() {
                Some(job) => job,
                None => match self.jobs.recv().await {
                    Some(job) => job,
                    None => break,
                },
            };
            match job {
                Job::Commit { write, done } => self.commits(*write, done).await,
                Job::Change(change) => self.changes(change).await,
                Job::Close(done) => {
                    self.close().await;
                    let _ = done.send(());
                    return;
                }
            }
        }
        self.close().await;
    }

    async fn close(self) {
        // Leaves no log behind; failing is harmless, the next start replays it.
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the database");
        }
    }

    /// Takes the commits that are queued behind this one and writes all of them.
    async fn commits(&mut self, first: CommitWrite, done: Done) {
        let mut bytes = size(&first);
        let mut group = vec![first];
        let mut answers = vec![done];
        while group.len() < GROUP_JOBS && bytes < GROUP_BYTES {
            match self.jobs.try_recv() {
                Ok(Job::Commit { write, done }) => {
                    bytes += size(&write);
                    group.push(*write);
                    answers.push(done);
                }
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.write_group(&group).await {
            Ok(()) => answer_all(answers),
            Err(error) if group.len() == 1 || self.stopped() => {
                let reason = error.to_string();
                let mut error = Some(error);
                for done in answers {
                    let _ = done.send(Err(error
                        .take()
                        .unwrap_or_else(|| StoreError::RolledBack(reason.clone()))));
                }
            }
            Err(error) => {
                tracing::warn!(%error, commits = group.len(), "group rolled back, writing its commits one by one");
                for (commit, done) in group.iter().zip(answers) {
                    let _ = done.send(self.write_group(std::slice::from_ref(commit)).await);
                }
            }
        }
    }

    async fn write_group(&mut self, group: &[CommitWrite]) -> Result<(), StoreError> {
        if self.stopped() {
            return Err(StoreError::WritesStopped);
        }
        let events: Vec<Option<SequencedEvent>> = group
            .iter()
            .map(|commit| commit.event.as_ref().map(|event| self.sequence.place(event)))
            .collect();
        let rows: Vec<_> = group.iter().zip(events.iter().map(Option::as_ref)).collect();
        leave_transaction(&mut self.connection).await?;
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        bulk::write(&mut transaction, &rows).await?;
        if let Some(last) = events.iter().rev().flatten().next() {
            raise_seq_high(&mut transaction, last.seq).await?;
        }
        let committed = transaction.commit().await;
        self.committed(committed)?;
        self.sequence.publish(events.into_iter().flatten().collect());
        Ok(())
    }

    /// Takes the changes that are queued behind this one and runs all of them.
    async fn changes(&mut self, first: Box<dyn ChangeJob>) {
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
        let outcome = self.run_changes(&mut group).await;
        let reason = outcome.as_ref().err().map(ToString::to_string);
        for change in group {
            change.finish(match &reason {
                None => Ok(()),
                Some(_) if self.stopped() => Err(StoreError::WritesStopped),
                Some(reason) => Err(StoreError::RolledBack(reason.clone())),
            });
        }
    }

    async fn run_changes(&mut self, group: &mut [Box<dyn ChangeJob>]) -> Result<(), StoreError> {
        if self.stopped() {
            return Err(StoreError::WritesStopped);
        }
        let mut events = Vec::new();
        leave_transaction(&mut self.connection).await?;
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for change in group {
            let mut tx = Tx {
                connection: &mut transaction,
                sequence: self.sequence.as_mut(),
                events: &mut events,
            };
            change.run(&mut tx).await;
        }
        if let Some(last) = events.last() {
            raise_seq_high(&mut transaction, last.seq).await?;
        }
        let committed = transaction.commit().await;
        self.committed(committed)?;
        self.sequence.publish(events);
        Ok(())
    }

    fn committed(&self, outcome: Result<(), sqlx::Error>) -> Result<(), StoreError> {
        let Err(error) = outcome else { return Ok(()) };
        match disk_state(&error) {
            DiskState::Fine => Err(error.into()),
            DiskState::Full => Err(StoreError::DiskFull),
            DiskState::Broken => {
                tracing::error!(%error, "commit failed on the disk: writes are stopped until a restart");
                self.writes_stopped.store(true, Ordering::Relaxed);
                Err(StoreError::WritesStopped)
            }
        }
    }

    fn stopped(&self) -> bool {
        self.writes_stopped.load(Ordering::Relaxed)
    }
}

fn size(commit: &CommitWrite) -> usize {
    let records: usize = commit.puts.iter().map(|put| put.content.len()).sum();
    // The event carries the records once more.
    2 * records + commit.commit.len()
}

fn answer_all(answers: Vec<Done>) {
    for done in answers {
        // A caller that went away needs no answer.
        let _ = done.send(Ok(()));
    }
}

/// Remembers the last seq apart from the log, so that a pruned log cannot make the server forget it.
async fn raise_seq_high(connection: &mut SqliteConnection, seq: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE sequencer SET seq_high = $1 WHERE sequencer_id = 1 AND seq_high < $1")
        .bind(seq)
        .execute(connection)
        .await?;
    Ok(())
}
