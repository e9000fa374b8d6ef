//! The rows of repos that no account refers to: written before an import's switch, removed after it.

use std::sync::Arc;

use atproto_repo::commit::Commit;
use sqlx::Row as _;
use tokio::sync::mpsc;

use super::ImportError;
use super::imported_car::{ImportedCar, ImportedRecord};
use crate::blob::release_referenced;
use crate::repo::blob_refs::blobs_of;
use crate::repo::purge::{BLOB_REFS, CHUNK, purge_chunk};
use crate::repo::subject_link::link_of;
use crate::repo::{RepoError, Repos};
use crate::store::{BlobRefRow, ImportedRows, RecordRow, StoreError, SubjectLinkRow};

/// Records written in one transaction: other writers wait no longer than that.
const CHUNK_RECORDS: usize = 500;
/// Bytes of records after which a chunk ends.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that are read ahead.
const CHUNKS_AHEAD: usize = 1;

/// What one transaction writes.
#[derive(Default)]
struct Chunk {
    rows: ImportedRows,
    bytes: usize,
}

impl Repos {
    /// A new repo with the CAR's commit as its head and no records. No account refers to it.
    pub(super) async fn add_detached(&self, car: &ImportedCar) -> Result<i64, ImportError> {
        let cid = car.commit_cid.as_bytes().to_vec();
        let rev = car.commit.rev.as_u64().cast_signed();
        let commit = car.commit_block.clone();
        let added = self.0.store.change(move |tx| {
            Box::pin(async move {
                let row = sqlx::query(
                    "INSERT INTO repo (commit_cid, rev, commit_data) VALUES ($1, $2, $3) RETURNING repo_id",
                )
                .bind(cid)
                .bind(rev)
                .bind(commit)
                .fetch_one(tx.connection())
                .await?;
                let repo_id: i64 = row.try_get(0)?;
                sqlx::query("INSERT INTO detached_repo (repo_id) VALUES ($1)")
                    .bind(repo_id)
                    .execute(tx.connection())
                    .await?;
                Ok(repo_id)
            })
        });
        added.await
    }

    /// Writes all records of a CAR that was checked; says how many there are.
    pub(super) async fn write_rows(&self, repo_id: i64, car: Arc<ImportedCar>) -> Result<u64, ImportError> {
        let rev = car.commit.rev.as_u64().cast_signed();
        let mut records = 0;
        let (sender, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
        let reader = tokio::task::spawn_blocking(move || read_chunks(&car, &sender));
        while let Some(chunk) = chunks.recv().await {
            records += chunk.rows.records.len() as u64;
            let written = self.0.store.import(repo_id, rev, chunk.rows);
            written.await?;
        }
        reader.await.map_err(|_| RepoError::Aborted)??;
        Ok(records)
    }

    /// Removes a repo that no account refers to, in chunks.
    ///
    /// # Errors
    /// If the database fails; the rest goes at the next start.
    pub(crate) async fn remove_detached(&self, repo_id: i64) -> Result<(), RepoError> {
        self.release_blobs(repo_id).await?;
        loop {
            let done = self
                .0
                .store
                .change(move |tx| Box::pin(async move { remove_chunk(tx.connection(), repo_id).await }));
            if done.await? {
                self.forget(repo_id);
                return Ok(());
            }
        }
    }

    /// Removes a detached repo's references, and keeps no blob for them any more.
    async fn release_blobs(&self, repo_id: i64) -> Result<(), RepoError> {
        let mut reader = self.0.store.read().await?;
        let row = sqlx::query("SELECT commit_data FROM repo WHERE repo_id = $1")
            .bind(repo_id)
            .fetch_optional(&mut *reader)
            .await?;
        drop(reader);
        let Some(row) = row else { return Ok(()) };
        let Ok(Commit { did, .. }) = Commit::decode(row.try_get(0)?) else {
            tracing::warn!(repo_id, "the head of a replaced repo is damaged: its blobs stay");
            return Ok(());
        };
        loop {
            let (did, now) = (did.clone(), self.0.clock.now_micros());
            let removed = self.0.store.change(move |tx| {
                Box::pin(async move {
                    release_referenced(tx.connection(), &did, repo_id, CHUNK, now).await?;
                    let removed = sqlx::query(BLOB_REFS)
                        .bind(repo_id)
                        .bind(CHUNK)
                        .execute(tx.connection())
                        .await?;
                    Ok::<_, StoreError>(removed.rows_affected())
                })
            });
            if removed.await? < CHUNK.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// The repos that no account refers to. Before any import begins, all of them are what a crash left.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn detached(&self) -> Result<Vec<i64>, RepoError> {
        let rows = sqlx::query("SELECT repo_id FROM detached_repo")
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// How many there are.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn count_detached(&self) -> Result<u64, RepoError> {
        Ok(self.detached().await?.len() as u64)
    }
}

/// Reads a CAR's records for somebody who may stop listening.
fn read_chunks(car: &ImportedCar, sender: &mpsc::Sender<Chunk>) -> Result<(), ImportError> {
    let gone = || ImportError::Repo(RepoError::Aborted);
    let mut chunk = Chunk::default();
    let mut collection = String::new();
    car.each_record(|record| {
        chunk.add(record, &mut collection);
        if chunk.rows.records.len() < CHUNK_RECORDS && chunk.bytes < CHUNK_BYTES {
            return Ok(());
        }
        sender.blocking_send(std::mem::take(&mut chunk)).map_err(|_| gone())
    })?;
    sender.blocking_send(chunk).map_err(|_| gone())
}

impl Chunk {
    /// Adds a record; `collection` is that of the one before, and a collection's records are next to each other.
    fn add(&mut self, record: &ImportedRecord<'_>, collection: &mut String) {
        let own = record.path.split('/').next().unwrap_or_default();
        if own != collection {
            own.clone_into(collection);
            self.rows.collections_begun.push(collection.clone());
        }
        if let Some(link) = link_of(record.path, record.content) {
            self.rows.subject_links.push(SubjectLinkRow {
                link,
                path: record.path.to_owned(),
            });
        }
        let blobs = blobs_of(record.content).into_iter().map(|cid| BlobRefRow {
            path: record.path.to_owned(),
            cid,
        });
        self.rows.blob_refs.extend(blobs);
        self.bytes += record.content.len();
        self.rows.records.push(RecordRow {
            path: record.path.to_owned(),
            cid: record.cid,
            content: record.content.to_vec(),
        });
    }
}

/// Removes some of a repo's rows; says whether nothing is left of it.
async fn remove_chunk(connection: &mut sqlx::SqliteConnection, repo_id: i64) -> Result<bool, StoreError> {
    if purge_chunk(connection, repo_id).await? {
        return Ok(false);
    }
    for sql in REMOVE_REST {
        sqlx::query(sql).bind(repo_id).execute(&mut *connection).await?;
    }
    Ok(true)
}

/// What goes with the last of them.
const REMOVE_REST: [&str; 2] = [
    "DELETE FROM detached_repo WHERE repo_id = $1",
    "DELETE FROM repo WHERE repo_id = $1",
];
