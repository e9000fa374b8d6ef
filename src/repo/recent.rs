//! The records that an account wrote lately, for whoever has not seen them yet. The event log tells which they are: it is read from the
//! newest event back, so that an index on revs, which every write would pay for, is not needed.

use atproto_data::{Cid, Tid};
use atproto_repo::frame::Frame;

use super::load::{cid_column, rev_column};
use super::{RepoError, Repos};
use crate::store::{Columns as _, StoreError};

/// Events looked at, at most, and bytes of them: one that goes beyond is the last. It is a service that says how far back to look, and
/// a client may have named it.
const MAX_EVENTS: usize = 100;
const MAX_LOG_BYTES: usize = 1 << 20;
/// Records found, at most.
const MAX_RECORDS: usize = 10;

/// A record that was written lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRecord {
    /// `collection/rkey`.
    pub path: String,
    /// CID of its content.
    pub cid: Cid,
    /// The rev of the commit that wrote it.
    pub rev: Tid,
    /// DAG-CBOR.
    pub content: Vec<u8>,
}

impl Repos {
    /// The records at paths that are `wanted` which were written after `since`, oldest first; the newest [`MAX_RECORDS`] if there are
    /// more. None if the log does not reach back to `since`: then it is of no commit of this repo here (the account may have come from
    /// another server), or too old.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn written_since(
        &self,
        repo_id: i64,
        since: Tid,
        wanted: impl Fn(&str) -> bool + Send,
    ) -> Result<Vec<RecentRecord>, RepoError> {
        let Some(paths) = self.paths_since(repo_id, since, wanted).await? else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        for path in paths {
            let found = self
                .0
                .store
                .look_up_one(RECORD, [repo_id.into(), path.as_str().into()], |row| {
                    Ok(RecentRecord {
                        path: path.clone(),
                        cid: cid_column(row.bytes(0)?)?,
                        rev: rev_column(row.column(1)?),
                        content: row.column(2)?,
                    })
                });
            // What was deleted in the meantime is not there.
            records.extend(found.await?.filter(|record| record.rev > since));
        }
        records.sort_by_key(|record| record.rev.as_u64());
        Ok(records)
    }

    async fn paths_since(
        &self,
        repo_id: i64,
        since: Tid,
        wanted: impl Fn(&str) -> bool + Send,
    ) -> Result<Option<Vec<String>>, RepoError> {
        let head = self.0.store.look_up_one(HEAD, [repo_id.into()], |row| {
            Ok((rev_column(row.column(0)?), row.column::<Option<i64>>(1)?))
        });
        let Some((rev, mut next)) = head.await?.filter(|(rev, _)| *rev > since) else {
            return Ok(None);
        };
        tracing::debug!(%rev, %since, "an account is ahead of what a service has seen");
        let mut paths: Vec<String> = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        while events < MAX_EVENTS && bytes < MAX_LOG_BYTES {
            let Some(seq) = next else { return Ok(None) };
            let Some(event) = self.event(seq).await? else {
                return Ok(None);
            };
            next = event.previous;
            events += 1;
            bytes += event.bytes;
            match event.frame {
                Frame::Commit(commit) if commit.rev > since => {
                    let new = commit.ops.into_iter().map(|op| op.path).filter(|path| wanted(path));
                    for path in new {
                        if paths.len() < MAX_RECORDS && !paths.contains(&path) {
                            paths.push(path);
                        }
                    }
                }
                Frame::Commit(_) => return Ok(Some(paths)),
                Frame::Sync { rev, .. } if rev <= since => return Ok(Some(paths)),
                _ => {}
            }
        }
        // Whoever is so far behind gets the newest.
        Ok(Some(paths))
    }

    async fn event(&self, seq: i64) -> Result<Option<Event>, RepoError> {
        let found = self.0.store.look_up_one(EVENT, [seq.into()], |row| {
            let frame = row.bytes(1)?;
            let decoded = Frame::decode(frame);
            Ok(Event {
                previous: row.column(0)?,
                bytes: frame.len(),
                frame: decoded.map_err(|error| StoreError::Damaged(format!("event: {error}")))?,
            })
        });
        Ok(found.await?)
    }
}

/// An event of the log.
struct Event {
    /// The account's event before it.
    previous: Option<i64>,
    /// How large its frame is.
    bytes: usize,
    frame: Frame,
}

const HEAD: &str = "SELECT rev, last_event FROM repo WHERE repo_id = $1";
const EVENT: &str = "SELECT previous, frame FROM event WHERE seq = $1";
const RECORD: &str = "SELECT cid, rev, content FROM record WHERE repo_id = $1 AND path = $2 AND takedown_ref IS NULL";
