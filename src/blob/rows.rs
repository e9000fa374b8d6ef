//! The rows of table `blob`.

use atproto_data::{Cid, Did};
use sqlx::{Row as _, SqliteConnection};

use super::UploadedBlob;
use crate::store::StoreError;

/// Where a blob is in its life (`migrations/sqlite/0002_blobs.sql`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Temporary,
    Permanent,
    Deleting,
}

impl State {
    fn parse(name: &str) -> Result<State, StoreError> {
        match name {
            "temporary" => Ok(State::Temporary),
            "permanent" => Ok(State::Permanent),
            "deleting" => Ok(State::Deleting),
            _ => Err(StoreError::Damaged(format!("{name:?} is not the state of a blob"))),
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlobRow {
    pub(super) mime_type: String,
    pub(super) size: u64,
    pub(super) state: State,
    pub(super) taken_down: bool,
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    did: &Did,
    cid: &Cid,
) -> Result<Option<BlobRow>, StoreError> {
    let row = sqlx::query("SELECT mime_type, size, state, takedown_ref FROM blob WHERE did = $1 AND cid = $2")
        .bind(did.as_str())
        .bind(&cid.as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(BlobRow {
        mime_type: row.try_get(0)?,
        size: row.try_get::<i64, _>(1)?.unsigned_abs(),
        state: State::parse(row.try_get(2)?)?,
        taken_down: row.try_get::<Option<&str>, _>(3)?.is_some(),
    }))
}

/// How many blobs of an account no record refers to, and their bytes. The first condition is the index's.
pub(super) async fn temporary(connection: &mut SqliteConnection, did: &Did) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query(
        "SELECT count(*), coalesce(sum(size), 0) FROM blob WHERE state <> 'permanent' AND state = 'temporary' AND did = $1",
    )
    .bind(did.as_str())
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// The row of a blob whose file is about to be put into place.
pub(super) async fn begin_upload(
    connection: &mut SqliteConnection,
    did: &Did,
    blob: &UploadedBlob,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) VALUES ($1, $2, $3, $4, 'deleting', $5) \
         ON CONFLICT (did, cid) DO NOTHING",
    )
    .bind(did.as_str())
    .bind(&blob.cid.as_bytes()[..])
    .bind(&blob.mime_type)
    .bind(i64::try_from(blob.size).unwrap_or(i64::MAX))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The file is in place: permanent if a record of the account refers to it, else temporary from now on. A permanent blob stays as it is.
pub(super) async fn finish_upload(
    connection: &mut SqliteConnection,
    did: &Did,
    cid: &Cid,
    mime_type: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE blob SET mime_type = $3, uploaded_at = $4, state = CASE WHEN EXISTS (\
         SELECT 1 FROM account a JOIN blob_ref r ON r.repo_id = a.repo_id WHERE a.did = $1 AND r.cid = $2) \
         THEN 'permanent' ELSE 'temporary' END \
         WHERE did = $1 AND cid = $2 AND state <> 'permanent'",
    )
    .bind(did.as_str())
    .bind(&cid.as_bytes()[..])
    .bind(mime_type)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
