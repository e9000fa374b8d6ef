//! Exporting a repo as a CAR: the commit, then the tree in pre-order, or only what is newer than a rev.
//!
//! It is written at full speed under one snapshot of the database into memory or an unlinked temporary file, and sent from there: a slow
//! client never holds a read transaction, which would stop the write-ahead log from being checkpointed.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use atproto_data::{Cid, Tid};
use atproto_repo::car;
use atproto_repo::mst::TreeItem;
use bytes::Bytes;
use foldhash::{HashSet, HashSetExt as _};
use tokio::sync::OwnedSemaphorePermit;

use super::load::{check_content, damaged, load_head, load_tree};
use super::unsent::{Export, Unsent};
use super::{LoadedRepo, RepoError, Repos, difference, gaps};
use crate::observe::Unwritable;
use crate::store::Snapshot;

/// A CAR up to this size stays in memory; of a larger one so much goes to a file at a time.
const MEMORY_BYTES: usize = 1 << 20;
/// How many CIDs are remembered so that a record at several keys is sent once; beyond, it may be sent again.
const REMEMBERED_CIDS: usize = 100_000;

/// Gaps of a large repo's tree that are filled in for a difference, all of them in memory; beyond, the whole repo is the answer, which
/// fills in one at a time.
const MAX_DIFFERENCE_GAPS: usize = 256;

/// A finished CAR.
pub(super) struct Car {
    /// How a large one begins.
    pub(super) file: Option<SpoolFile>,
    /// All of a small one; of a large one its end, or what a full disk did not take.
    pub(super) memory: Vec<Bytes>,
    /// Its part of the room in memory for what a full disk did not take.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// A part of a CAR on the disk.
pub(super) struct SpoolFile {
    /// It has no name any more.
    pub(super) file: std::fs::File,
    /// In bytes.
    pub(super) length: u64,
    /// Its part of the room for such files.
    pub(super) room: OwnedSemaphorePermit,
}

impl Repos {
    /// The repo at its newest commit (`com.atproto.sync.getRepo`). With `since`, only what a reader of the repo at that rev lacks: the
    /// commit, the tree's nodes around every key touched since, and the records there; or the whole repo if the log cannot tell.
    ///
    /// # Errors
    /// [`RepoError::Busy`] if there are too many exports, [`RepoError::NotFound`], or what the disk says.
    pub async fn export(&self, repo_id: i64, since: Option<Tid>) -> Result<Export, RepoError> {
        self.0.unsent.give_up_stalled();
        let place = Arc::clone(&self.0.export_queue).try_acquire_owned();
        let place = place.map_err(|_| RepoError::Busy)?;
        let turn = Arc::clone(&self.0.exports).acquire_owned().await;
        let turn = turn.map_err(|_| RepoError::Aborted)?;
        let repos = self.clone();
        // Dropped with this call if the client leaves.
        let waiting = Arc::new(());
        let waiter = Arc::downgrade(&waiting);
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work has ended, which is soon if nobody waits for it any more.
            let _turn = turn;
            (repos.write_export(repo_id, since, waiter), place)
        });
        let (car, place) = task.await.map_err(|_| RepoError::Aborted)?;
        let car = self.quarantine(repo_id, car)?;
        Ok(self.0.unsent.keep(car, place, &self.0.clock))
    }

    /// Writes until nobody holds the `waiter` any more.
    fn write_export(&self, repo_id: i64, since: Option<Tid>, waiter: Weak<()>) -> Result<Car, RepoError> {
        let snapshot = self.0.store.snapshot()?;
        let mut repo = self.load_in(&snapshot, repo_id)?;
        let mut spool = Spool::new(self.temporary_directory(), &self.0.unsent, waiter);
        let touched = match since {
            Some(since) => difference::touched_since(&snapshot, repo_id, repo.rev, since)?,
            None => None,
        };
        match touched {
            Some(touched) if repo.tree.gaps(&touched).len() <= MAX_DIFFERENCE_GAPS => {
                repo = gaps::fill(&snapshot, repo_id, &repo, &touched)?;
                write_difference(&repo, &snapshot, repo_id, &touched, &mut spool)?;
            }
            _ => write_car(&repo, &snapshot, repo_id, &mut spool)?,
        }
        drop(snapshot);
        spool.finish()
    }

    /// The repo as an open snapshot shows it; its tree from the cache if that is of the same commit.
    fn load_in(&self, snapshot: &Snapshot, repo_id: i64) -> Result<LoadedRepo, RepoError> {
        let mut repo = load_head(snapshot, repo_id)?.ok_or(RepoError::NotFound)?;
        if let Some(cached) = self.0.trees.get(repo_id)
            && cached.commit_cid == repo.commit_cid
        {
            repo.tree = cached.tree.clone();
            return Ok(repo);
        }
        load_tree(&mut repo, snapshot, repo_id, self.0.skeleton_rule)?;
        Ok(repo)
    }
}

fn write_difference(
    repo: &LoadedRepo,
    snapshot: &Snapshot,
    repo_id: i64,
    touched: &BTreeSet<String>,
    spool: &mut Spool<'_>,
) -> Result<(), RepoError> {
    write_commit(repo, spool);
    for block in repo.tree.covering_blocks(touched)?.iter() {
        car::write_block(&mut spool.memory, block.cid, block.bytes);
    }
    let paths: Vec<&str> = touched.iter().map(String::as_str).collect();
    for page in paths.chunks(difference::PAGE_RECORDS) {
        for (cid, content) in difference::contents(snapshot, repo_id, repo, page)? {
            car::write_block(&mut spool.memory, &cid, &content);
        }
        spool.flush_if_large()?;
    }
    Ok(())
}

fn write_commit(repo: &LoadedRepo, spool: &mut Spool<'_>) {
    car::write_header(&mut spool.memory, Some(&repo.commit_cid));
    car::write_block(&mut spool.memory, &repo.commit_cid, &repo.commit);
}

fn write_car(repo: &LoadedRepo, snapshot: &Snapshot, repo_id: i64, spool: &mut Spool<'_>) -> Result<(), RepoError> {
    let damaged = || damaged(repo_id, &repo.did, &"the records are not those of the tree");
    let mut sent = HashSet::new();
    let mut walk = repo.tree.blocks();
    write_commit(repo, spool);
    // Each record is the next leaf; the nodes on the way to it come first.
    snapshot.each(RECORDS, &[repo_id.into()], |row| {
        loop {
            match walk.advance().ok_or_else(damaged)? {
                TreeItem::Node { cid, bytes } => car::write_block(&mut spool.memory, &cid, bytes),
                TreeItem::Gap(gap) => {
                    let subtree = gaps::load(snapshot, repo_id, &repo.did, gap)?;
                    walk.enter(subtree);
                }
                TreeItem::Leaf { key, cid } => {
                    if row.text(0)?.as_bytes() != key || row.bytes(1)? != cid.as_bytes() {
                        return Err(damaged());
                    }
                    if first_time(&mut sent, cid) {
                        let content = row.bytes(2)?;
                        check_content(repo_id, &repo.did, cid, content)?;
                        car::write_block(&mut spool.memory, &cid, content);
                    }
                    spool.flush_if_large()?;
                    return Ok(ControlFlow::Continue(()));
                }
            }
        }
    })?;
    while let Some(item) = walk.advance() {
        match item {
            TreeItem::Node { cid, bytes } => car::write_block(&mut spool.memory, &cid, bytes),
            TreeItem::Leaf { .. } | TreeItem::Gap(_) => return Err(damaged()),
        }
    }
    Ok(())
}

const RECORDS: &str = "SELECT path, cid, content FROM record WHERE repo_id = $1 ORDER BY path";

fn first_time(sent: &mut HashSet<Cid>, cid: Cid) -> bool {
    if sent.len() < REMEMBERED_CIDS {
        sent.insert(cid)
    } else {
        !sent.contains(&cid)
    }
}

/// Bytes on their way to a client: in memory while they are few, then in a file that vanishes when it is closed; in memory again, within
/// limits, once the disk takes no more, so that accounts can leave a server whose disk is full.
struct Spool<'u> {
    directory: PathBuf,
    /// What comes next.
    memory: Vec<u8>,
    car: Car,
    unsent: &'u Unsent,
    waiter: Weak<()>,
}

impl<'u> Spool<'u> {
    fn new(directory: PathBuf, unsent: &'u Unsent, waiter: Weak<()>) -> Spool<'u> {
        Spool {
            directory,
            memory: Vec::new(),
            car: Car {
                file: None,
                memory: Vec::new(),
                room: None,
            },
            unsent,
            waiter,
        }
    }

    fn flush_if_large(&mut self) -> Result<(), RepoError> {
        if self.memory.len() < MEMORY_BYTES {
            return Ok(());
        }
        if self.waiter.strong_count() == 0 {
            return Err(RepoError::Aborted);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), RepoError> {
        if !self.car.memory.is_empty() {
            return self.keep().ok_or(RepoError::Busy);
        }
        match self.write() {
            Err(RepoError::Spool(error)) if Unwritable::among(&error).is_some() => self.keep().ok_or(error.into()),
            written => written,
        }
    }

    /// Moves what came to the file.
    fn write(&mut self) -> Result<(), RepoError> {
        let room = self.unsent.room_for(self.memory.len(), &self.directory)?;
        let spooled = match &mut self.car.file {
            Some(spooled) => {
                spooled.room.merge(room);
                spooled
            }
            none => none.insert(SpoolFile {
                file: tempfile::tempfile_in(&self.directory)?,
                length: 0,
                room,
            }),
        };
        spooled.file.write_all(&self.memory)?;
        spooled.length += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Keeps what came in memory, behind what is in the file, if there is room.
    fn keep(&mut self) -> Option<()> {
        let room = self.unsent.room_in_memory(self.memory.len())?;
        match &mut self.car.room {
            Some(all) => all.merge(room),
            none => *none = Some(room),
        }
        self.car.memory.push(std::mem::take(&mut self.memory).into());
        Some(())
    }

    fn finish(mut self) -> Result<Car, RepoError> {
        if self.car.file.is_none() && self.car.memory.is_empty() {
            self.car.memory.push(self.memory.into());
        } else {
            self.flush()?;
        }
        Ok(self.car)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::repo::testing::{TestRepos, create_text};

    #[tokio::test]
    async fn work_for_a_client_that_left_stops() {
        let test = TestRepos::open().await;
        let repo = test.account('a').await;
        for letter in ["a", "b"] {
            let write = create_text(&format!("com.example.note/{letter}"), &letter.repeat(900_000));
            test.write(&repo, vec![write]).await.unwrap();
        }
        let waiting = Arc::new(());
        let write = |waiter| test.repos.write_export(repo.repo_id, None, waiter);
        assert!(write(Arc::downgrade(&waiting)).unwrap().file.is_some());
        assert!(matches!(write(Weak::new()), Err(RepoError::Aborted)));
    }
}
