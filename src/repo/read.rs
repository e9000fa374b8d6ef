//! Reading records.

use atproto_data::{Cid, Nsid, RecordKey};
use sqlx::Row as _;

use super::load::cid_column;
use super::{RepoError, Repos};

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
        let row =
            sqlx::query("SELECT cid, content FROM record WHERE repo_id = $1 AND path = $2 AND takedown_ref IS NULL")
                .bind(repo_id)
                .bind(format!("{collection}/{rkey}"))
                .fetch_optional(&mut *self.0.store.read().await?)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let found = cid_column(row.try_get(0)?)?;
        if cid.is_some_and(|cid| cid != found) {
            return Ok(None);
        }
        Ok(Some(RecordView {
            rkey: rkey.to_string(),
            cid: found,
            content: row.try_get(1)?,
        }))
    }

    /// Records of a collection, by rkey.
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
        let rows = sqlx::query(sql)
            .bind(repo_id)
            .bind(low)
            .bind(high)
            .bind(i64::from(query.limit))
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter()
            .map(|row| {
                let path: &str = row.try_get(0)?;
                let rkey = path.get(first.len()..).unwrap_or_default().to_owned();
                Ok(RecordView {
                    rkey,
                    cid: cid_column(row.try_get(1)?)?,
                    content: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// The collections in which a repo has records, sorted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn collections(&self, repo_id: i64) -> Result<Vec<String>, RepoError> {
        let rows =
            sqlx::query("SELECT collection FROM repo_collection WHERE repo_id = $1 ORDER BY collection LIMIT $2")
                .bind(repo_id)
                .bind(MAX_COLLECTIONS)
                .fetch_all(&mut *self.0.store.read().await?)
                .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

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
