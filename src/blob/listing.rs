//! Listing the blobs that a repo's records refer to. However many there are, no call looks at more than some thousand references: what it
//! has not reached is behind the cursor that it answers, also where it has found nothing.

use atproto_data::{Cid, Did, Tid};
use sqlx::{Row as _, SqliteConnection};

use super::Blobs;
use super::references::cid_column;
use super::rows::{self, State};
use crate::store::StoreError;

/// References that are looked at in one go.
const REACH: i64 = 10_000;
/// Goes in which an owner's call looks for what is missing, each with a connection of its own: clients may think that a page without any
/// is the last one.
const MISSING_GOES: usize = 20;

/// A blob that a record refers to and that was not uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingBlob {
    /// The blob.
    pub cid: Cid,
    /// `collection/rkey` of one such record.
    pub path: String,
}

/// Some of many blobs, in the order of their CIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobPage<T> {
    /// The blobs; there may be more though there is none here.
    pub blobs: Vec<T>,
    /// The blob behind which to go on; none at the end.
    pub cursor: Option<Cid>,
}

/// How far one go comes.
enum Reach {
    /// To the repo's last blob.
    End,
    /// To this blob.
    Blob(Cid),
    /// Not through this blob, which is next: too many records refer to it.
    Within(Cid),
}

impl Blobs {
    /// The blobs that the records of a repo refer to, uploaded or not, behind a cursor. With `since`, only those of records newer than that
    /// rev; one to which very many records refer is there in any case.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(
        &self,
        repo_id: i64,
        since: Option<Tid>,
        cursor: Option<Cid>,
        limit: u32,
    ) -> Result<BlobPage<Cid>, StoreError> {
        let mut reader = self.0.store.read().await?;
        let reach = reach(&mut reader, repo_id, cursor).await?;
        if let Reach::Within(cid) = reach {
            return Ok(BlobPage {
                blobs: vec![cid],
                cursor: Some(cid),
            });
        }
        let query = match since {
            None => sqlx::query(ALL).bind(repo_id),
            Some(rev) => sqlx::query(SINCE)
                .bind(repo_id)
                .bind(i64::try_from(rev.as_u64()).unwrap_or(i64::MAX)),
        };
        let rows = query
            .bind(after(cursor))
            .bind(up_to(&reach))
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        let cids = rows.iter().map(|row| cid_column(row.try_get(0)?));
        let cids: Vec<Cid> = cids.collect::<Result<_, _>>()?;
        Ok(reach.page(cids, limit, |cid| *cid))
    }

    /// The blobs that the records of an account refer to and that were not uploaded, behind a cursor.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn missing(
        &self,
        did: &Did,
        repo_id: i64,
        cursor: Option<Cid>,
        limit: u32,
    ) -> Result<BlobPage<MissingBlob>, StoreError> {
        let mut page = self.some_missing(did, repo_id, cursor, limit).await?;
        for _ in 1..MISSING_GOES {
            if page.cursor.is_none() || !page.blobs.is_empty() {
                break;
            }
            page = self.some_missing(did, repo_id, page.cursor, limit).await?;
        }
        Ok(page)
    }

    /// Those that one go finds.
    async fn some_missing(
        &self,
        did: &Did,
        repo_id: i64,
        cursor: Option<Cid>,
        limit: u32,
    ) -> Result<BlobPage<MissingBlob>, StoreError> {
        let mut reader = self.0.store.read().await?;
        let reach = reach(&mut reader, repo_id, cursor).await?;
        if let Reach::Within(cid) = reach {
            let path = first_path(&mut reader, repo_id, cid).await?;
            drop(reader);
            let row = rows::find(&self.0.store, did, &cid).await?;
            let is_here = row.is_some_and(|row| row.state != State::Deleting);
            return Ok(BlobPage {
                blobs: path
                    .filter(|_| !is_here)
                    .map(|path| MissingBlob { cid, path })
                    .into_iter()
                    .collect(),
                cursor: Some(cid),
            });
        }
        let rows = sqlx::query(MISSING)
            .bind(repo_id)
            .bind(did.as_str())
            .bind(after(cursor))
            .bind(up_to(&reach))
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        let blobs = rows.iter().map(|row| {
            Ok::<_, StoreError>(MissingBlob {
                cid: cid_column(row.try_get(0)?)?,
                path: row.try_get(1)?,
            })
        });
        Ok(reach.page(blobs.collect::<Result<_, _>>()?, limit, |blob| blob.cid))
    }
}

impl Reach {
    /// The page of what was found within it.
    fn page<T>(&self, blobs: Vec<T>, limit: u32, cid: impl Fn(&T) -> Cid) -> BlobPage<T> {
        let is_full = blobs.len() >= limit as usize;
        let cursor = match self {
            Reach::Blob(last) if !is_full => Some(*last),
            _ => blobs.last().map(cid),
        };
        BlobPage { blobs, cursor }
    }
}

async fn reach(connection: &mut SqliteConnection, repo_id: i64, cursor: Option<Cid>) -> Result<Reach, StoreError> {
    let beyond = sqlx::query(BEYOND)
        .bind(repo_id)
        .bind(after(cursor))
        .bind(REACH)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(beyond) = beyond else { return Ok(Reach::End) };
    let beyond = cid_column(beyond.try_get(0)?)?;
    let last = sqlx::query(LAST_BEFORE)
        .bind(repo_id)
        .bind(after(cursor))
        .bind(beyond.as_bytes().to_vec())
        .fetch_optional(connection)
        .await?;
    match last {
        Some(last) => Ok(Reach::Blob(cid_column(last.try_get(0)?)?)),
        None => Ok(Reach::Within(beyond)),
    }
}

async fn first_path(connection: &mut SqliteConnection, repo_id: i64, cid: Cid) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT path FROM blob_ref WHERE repo_id = $1 AND cid = $2 ORDER BY path LIMIT 1")
        .bind(repo_id)
        .bind(cid.as_bytes().to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

const BEYOND: &str = "SELECT cid FROM blob_ref WHERE repo_id = $1 AND cid > $2 ORDER BY cid, path LIMIT 1 OFFSET $3";
const LAST_BEFORE: &str =
    "SELECT cid FROM blob_ref WHERE repo_id = $1 AND cid > $2 AND cid < $3 ORDER BY cid DESC LIMIT 1";
const ALL: &str =
    "SELECT DISTINCT cid FROM blob_ref WHERE repo_id = $1 AND cid > $2 AND cid <= $3 ORDER BY cid LIMIT $4";
/// The references first, then the record of each.
const SINCE: &str = "SELECT DISTINCT b.cid FROM blob_ref b CROSS JOIN record r \
     WHERE b.repo_id = $1 AND r.rev > $2 AND b.cid > $3 AND b.cid <= $4 AND r.repo_id = b.repo_id AND r.path = b.path \
     ORDER BY b.cid LIMIT $5";
const MISSING: &str = "SELECT r.cid, min(r.path) FROM blob_ref r WHERE r.repo_id = $1 AND r.cid > $3 AND r.cid <= $4 \
     AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.did = $2 AND b.cid = r.cid AND b.state <> 'deleting') \
     GROUP BY r.cid ORDER BY r.cid LIMIT $5";

/// A cursor as the database compares it; all CIDs are behind none.
fn after(cursor: Option<Cid>) -> Vec<u8> {
    cursor.map_or_else(Vec::new, |cid| cid.as_bytes().to_vec())
}

/// The last CID within reach; no CID is behind these bytes.
fn up_to(reach: &Reach) -> Vec<u8> {
    match reach {
        Reach::End => vec![0xff],
        Reach::Blob(cid) | Reach::Within(cid) => cid.as_bytes().to_vec(),
    }
}
