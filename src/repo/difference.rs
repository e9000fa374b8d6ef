//! What changed in a repo since a rev, told by the event log.
//!
//! The log knows the difference only if it still holds every event of the account after that rev: the `#commit`s then name each other
//! by `since`, from the head back to the rev asked for. Any gap (pruned events, an import, a rev that never was a head) leaves the
//! whole repo as the answer.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use atproto_data::{Cid, Tid};
use atproto_repo::frame::Frame;

use super::load::{check_content, cid_column, damaged};
use super::{LoadedRepo, RepoError};
use crate::store::{Columns as _, Parameter, Snapshot, StoreError};

/// Bytes of frames read at most: about 4,000 commits of one record. Beyond, the whole repo costs no more.
const MAX_LOG_BYTES: usize = 16 << 20;
/// Events read at most.
const MAX_EVENTS: i64 = 10_000;
/// Records read at a time.
pub(super) const PAGE_RECORDS: usize = 32;

/// The account's events from the newest back, as far as the log goes.
const CHAIN: &str = "WITH RECURSIVE chain (seq, step) AS ( \
     SELECT last_event, 1 FROM repo WHERE repo_id = $1 \
     UNION ALL \
     SELECT e.previous, c.step + 1 FROM chain c JOIN event e ON e.seq = c.seq WHERE c.step < $2) \
     SELECT e.frame FROM chain c JOIN event e ON e.seq = c.seq";

/// The keys that were created, changed or deleted after `since`, whatever became of them later; `None` if the log cannot tell.
pub(super) fn touched_since(
    snapshot: &Snapshot,
    repo_id: i64,
    head: Tid,
    since: Tid,
) -> Result<Option<BTreeSet<String>>, RepoError> {
    let mut chain = Chain {
        expected: head,
        touched: BTreeSet::new(),
    };
    if head == since {
        return Ok(Some(chain.touched));
    }
    let (mut bytes, mut is_reached) = (0, false);
    snapshot.each(CHAIN, &[repo_id.into(), MAX_EVENTS.into()], |row| {
        let frame = row.bytes(0)?;
        bytes += frame.len();
        if bytes > MAX_LOG_BYTES {
            return Ok(ControlFlow::Break(()));
        }
        let step = chain.step_back(frame, since);
        is_reached = matches!(step, Step::Reached);
        Ok::<_, StoreError>(match step {
            Step::Older => ControlFlow::Continue(()),
            Step::Reached | Step::Broken => ControlFlow::Break(()),
        })
    })?;
    Ok(is_reached.then_some(chain.touched))
}

/// The way back from the head.
struct Chain {
    /// The rev that the next older commit must have.
    expected: Tid,
    touched: BTreeSet<String>,
}

enum Step {
    /// This was the first commit after the rev asked for.
    Reached,
    /// There may be older ones.
    Older,
    /// The log does not lead to the rev asked for.
    Broken,
}

impl Chain {
    fn step_back(&mut self, frame: &[u8], since: Tid) -> Step {
        match Frame::decode(frame) {
            Err(error) => {
                tracing::warn!(%error, "an event of the log cannot be read");
                Step::Broken
            }
            Ok(Frame::Commit(commit)) if commit.rev == self.expected => {
                self.touched.extend(commit.ops.into_iter().map(|op| op.path));
                match commit.since {
                    Some(previous) if previous == since => Step::Reached,
                    Some(previous) if previous > since => {
                        self.expected = previous;
                        Step::Older
                    }
                    _ => Step::Broken,
                }
            }
            // Nothing is known of what lies between the commit before and the one that a `#sync` tells of.
            Ok(Frame::Commit(_) | Frame::Sync { .. }) => Step::Broken,
            Ok(_) => Step::Older,
        }
    }
}

/// The records at some paths, at most [`PAGE_RECORDS`], as far as they are there: CIDs and contents.
pub(super) fn contents(
    snapshot: &Snapshot,
    repo_id: i64,
    repo: &LoadedRepo,
    paths: &[&str],
) -> Result<Vec<(Cid, Vec<u8>)>, RepoError> {
    let mut present = Vec::new();
    for path in paths.iter().copied() {
        if repo.tree.get(path.as_bytes())?.is_some() {
            present.push(path);
        }
    }
    let Some(last) = present.last() else {
        return Ok(Vec::new());
    };
    let parameters: Vec<String> = (2..PAGE_RECORDS + 2).map(|number| format!("${number}")).collect();
    let sql = format!(
        "SELECT cid, content FROM record WHERE repo_id = $1 AND path IN ({})",
        parameters.join(", ")
    );
    // A short page repeats its last path: one statement serves all.
    let paths = (0..PAGE_RECORDS).map(|index| Parameter::from(*present.get(index).unwrap_or(last)));
    let parameters: Vec<_> = std::iter::once(repo_id.into()).chain(paths).collect();
    let found: Vec<(Cid, Vec<u8>)> = snapshot.all(&sql, &parameters, |row| {
        Ok((cid_column(row.bytes(0)?)?, row.column(1)?))
    })?;
    if found.len() != present.len() {
        return Err(damaged(repo_id, &repo.did, &"a record of the tree is missing"));
    }
    for (cid, content) in &found {
        check_content(repo_id, &repo.did, *cid, content)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
