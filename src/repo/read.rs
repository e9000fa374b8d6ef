//! Reading records.

use atproto_data::{Cid, Nsid, RecordKey};

use super::load::cid_column;
use super::{RepoError, Repos};
use crate::store::{Columns as _, Found};

/// Collections listed at most; a repo with more is listed in part.
const MAX_COLLECTIONS: i64 = 1_000;

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// Its rkey.
    pub rkey: String,
    /// CID of its content.
    pub cid: Cid,
    /// DAG-CBOR.
    pub content: Vec<u8>,
}

/// Which records of a collection to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// At most so many.
    pub limit: u32,
    /// Only those behind this rkey, in the direction of the listing.
    pub cursor: Option<String>,
    /// From the lowest rkey up; otherwise newest TIDs first.
    pub ascending: bool,
}

impl Repos {
    /// A record that is not taken down, if it is there and, when a CID is given, has it.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn record(
        &self,
        repo_id: i64,
        collection: &Nsid,
        rkey: &RecordKey,
        cid: Option<Cid>,
    ) -> Result<Option<RecordView>, RepoError> {
        let path = format!("{collection}/{rkey}");
        let found = self
            .0
            .store
            .look_up_one(ONE, [repo_id.into(), path.as_str().into()], |row| {
                Ok(RecordView {
                    rkey: rkey.to_string(),
                    cid: cid_column(row.bytes(0)?)?,
                    content: row.column(1)?,
                })
            });
        Ok(found.await?.filter(|record| cid.is_none_or(|cid| cid == record.cid)))
    }

    /// Records of a collection, by rkey: as many as were asked for, or fewer if they are large.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list_records(
        &self,
        repo_id: i64,
        collection: &Nsid,
        query: &ListQuery,
    ) -> Result<Vec<RecordView>, RepoError> {
        let cursor = query.cursor.as_deref();
        let (first, end) = range(collection);
        let (sql, low, high) = if query.ascending {
            (
                ASCENDING,
                cursor.map_or(first.clone(), |rkey| format!("{first}{rkey}")),
                end,
            )
        } else {
            (
                DESCENDING,
                first.clone(),
                cursor.map_or(end, |rkey| format!("{first}{rkey}")),
            )
        };
        let (low, high) = (low.as_str().into(), high.as_str().into());
        let parameters = [repo_id.into(), low, high, i64::from(query.limit).into()];
        let read = |row: &Found<'_>| {
            Ok(RecordView {
                rkey: row.text(0)?.get(first.len()..).unwrap_or_default().to_owned(),
                cid: cid_column(row.bytes(1)?)?,
                content: row.column(2)?,
            })
        };
        let mut bytes = 0;
        let is_full = |record: &RecordView| {
            bytes += record.content.len();
            bytes >= MAX_PAGE_BYTES
        };
        Ok(self.0.store.look_up_until(sql, parameters, read, is_full).await?)
    }

    /// The collections in which a repo has records, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn collections(&self, repo_id: i64) -> Result<Vec<String>, RepoError> {
        let found = self
            .0
            .store
            .look_up(COLLECTIONS, [repo_id.into(), MAX_COLLECTIONS.into()], |row| {
                row.column(0)
            });
        Ok(found.await?)
    }
}

/// A page ends with the record that reaches this size: anybody may ask for pages, and a hundred records can have 100 MB.
const MAX_PAGE_BYTES: usize = 2 << 20;

const ONE: &str = "SELECT cid, content FROM record WHERE repo_id = $1 AND path = $2 AND takedown_ref IS NULL";
const COLLECTIONS: &str = "SELECT collection FROM repo_collection WHERE repo_id = $1 ORDER BY collection LIMIT $2";
const ASCENDING: &str = "SELECT path, cid, content FROM record WHERE repo_id = $1 AND path > $2 AND path < $3 \
     AND takedown_ref IS NULL ORDER BY path LIMIT $4";
const DESCENDING: &str = "SELECT path, cid, content FROM record WHERE repo_id = $1 AND path > $2 AND path < $3 \
     AND takedown_ref IS NULL ORDER BY path DESC LIMIT $4";

/// The character after `/`: `collection0` is the first path behind `collection/…`.
const AFTER_SLASH: char = '0';

/// The paths of a collection lie between these two.
fn range(collection: &Nsid) -> (String, String) {
    (format!("{collection}/"), format!("{collection}{AFTER_SLASH}"))
}
