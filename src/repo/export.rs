//! Exporting a repo as a CAR: the commit, then the tree in pre-order, or only what is newer than a rev.
//!
//! It is written at full speed under one snapshot of the database into memory or an unlinked temporary file, and sent from there: a slow
//! client never holds a read transaction, which would stop the write-ahead log from being checkpointed.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use atproto_data::{Cid, Tid};
use atproto_repo::car;
use atproto_repo::commit::Commit;
use atproto_repo::mst::{Tree, TreeItem};
use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::load::{cid_column, load_head, load_pairs};
use super::{LoadedRepo, RepoError, Repos, difference};

/// A CAR up to this size stays in memory.
const MEMORY_BYTES: usize = 1 << 20;
/// How many CIDs are remembered so that a record at several keys is sent once; beyond, it may be sent again.
const REMEMBERED_CIDS: usize = 100_000;

/// A finished CAR.
#[derive(Debug)]
pub enum Car {
    /// A small one.
    Memory(Vec<u8>),
    /// A large one: a file that has no name any more, at its start, and its length in bytes.
    File(tokio::fs::File, u64),
}

impl Repos {
    /// The repo at its newest commit (`com.atproto.sync.getRepo`). With `since`, only what a reader of the repo at that rev lacks: the
    /// commit, the tree's nodes around every key touched since, and the records there; or the whole repo if the log cannot tell.
    ///
    /// # Errors
    /// [`RepoError::Busy`] if too many exports run, [`RepoError::NotFound`], or what the disk says.
    pub async fn export(&self, repo_id: i64, since: Option<Tid>) -> Result<Car, RepoError> {
        let _place = self.0.export_queue.try_acquire().map_err(|_| RepoError::Busy)?;
        let _permit = self.0.exports.acquire().await.map_err(|_| RepoError::Aborted)?;
        let mut reader = self.0.store.read().await?;
        let mut snapshot = reader.begin().await?;
        let repo = self.load_in(&mut snapshot, repo_id).await?;
        let mut spool = Spool::new(self.temporary_directory());
        let touched = match since {
            Some(since) => difference::touched_since(&mut snapshot, repo_id, repo.rev, since).await?,
            None => None,
        };
        match touched {
            Some(touched) => write_difference(&repo, &mut snapshot, repo_id, &touched, &mut spool).await?,
            None => write_car(&repo, &mut snapshot, repo_id, &mut spool).await?,
        }
        snapshot.rollback().await?;
        spool.finish().await
    }

    /// The repo as an open snapshot shows it; its tree from the cache if that is of the same commit.
    async fn load_in(&self, snapshot: &mut SqliteConnection, repo_id: i64) -> Result<LoadedRepo, RepoError> {
        let mut repo = load_head(snapshot, repo_id).await?.ok_or(RepoError::NotFound)?;
        if let Some(cached) = self.0.trees.get(repo_id)
            && cached.commit_cid == repo.commit_cid
        {
            repo.tree = cached.tree.clone();
            return Ok(repo);
        }
        let pairs = load_pairs(snapshot, repo_id).await?;
        repo.tree = Tree::from_sorted(pairs).map_err(|_| RepoError::Quarantined { repo_id })?;
        match Commit::decode(&repo.commit) {
            Ok(commit) if commit.data == repo.tree.root() => Ok(repo),
            _ => Err(RepoError::Quarantined { repo_id }),
        }
    }
}

async fn write_difference(
    repo: &LoadedRepo,
    snapshot: &mut SqliteConnection,
    repo_id: i64,
    touched: &BTreeSet<String>,
    spool: &mut Spool,
) -> Result<(), RepoError> {
    write_commit(repo, spool);
    for block in repo.tree.covering_blocks(touched).iter() {
        car::write_block(&mut spool.memory, block.cid, block.bytes);
    }
    let paths: Vec<&str> = touched.iter().map(String::as_str).collect();
    for page in paths.chunks(difference::PAGE_RECORDS) {
        for (cid, content) in difference::contents(snapshot, repo_id, repo, page).await? {
            car::write_block(&mut spool.memory, &cid, &content);
        }
        spool.flush_if_large().await?;
    }
    Ok(())
}

fn write_commit(repo: &LoadedRepo, spool: &mut Spool) {
    car::write_header(&mut spool.memory, Some(&repo.commit_cid));
    car::write_block(&mut spool.memory, &repo.commit_cid, &repo.commit);
}

async fn write_car(
    repo: &LoadedRepo,
    snapshot: &mut SqliteConnection,
    repo_id: i64,
    spool: &mut Spool,
) -> Result<(), RepoError> {
    let mut records = sqlx::query("SELECT path, cid, content FROM record WHERE repo_id = $1 ORDER BY path")
        .bind(repo_id)
        .fetch(snapshot);
    let mut sent = HashSet::new();
    let mut walk = repo.tree.blocks();
    write_commit(repo, spool);
    while let Some(item) = walk.advance() {
        match item {
            TreeItem::Node { cid, bytes } => car::write_block(&mut spool.memory, &cid, bytes),
            TreeItem::Leaf { key, cid } => {
                let row = records.try_next().await?.ok_or(RepoError::Quarantined { repo_id })?;
                let path: &str = row.try_get(0)?;
                if path.as_bytes() != key || cid_column(row.try_get(1)?)? != cid {
                    return Err(RepoError::Quarantined { repo_id });
                }
                if first_time(&mut sent, cid) {
                    car::write_block(&mut spool.memory, &cid, row.try_get(2)?);
                }
            }
        }
        spool.flush_if_large().await?;
    }
    Ok(())
}

fn first_time(sent: &mut HashSet<Cid>, cid: Cid) -> bool {
    if sent.len() < REMEMBERED_CIDS {
        sent.insert(cid)
    } else {
        !sent.contains(&cid)
    }
}

/// Bytes on their way to a client: in memory while they are few, else in a file that vanishes when it is closed.
struct Spool {
    directory: PathBuf,
    memory: Vec<u8>,
    file: Option<tokio::fs::File>,
    length: u64,
}

impl Spool {
    fn new(directory: PathBuf) -> Spool {
        Spool {
            directory,
            memory: Vec::new(),
            file: None,
            length: 0,
        }
    }

    async fn flush_if_large(&mut self) -> Result<(), std::io::Error> {
        if self.memory.len() >= MEMORY_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> Result<(), std::io::Error> {
        if self.file.is_none() {
            let directory = self.directory.clone();
            let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(directory)).await??;
            self.file = Some(tokio::fs::File::from_std(file));
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.memory).await?;
            self.length += self.memory.len() as u64;
            self.memory.clear();
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Car, RepoError> {
        if self.file.is_some() {
            self.flush().await?;
        }
        match self.file {
            None => Ok(Car::Memory(self.memory)),
            Some(mut file) => {
                file.flush().await?;
                file.rewind().await?;
                Ok(Car::File(file, self.length))
            }
        }
    }
}
