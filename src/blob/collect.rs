//! Garbage collection: uploads that nobody used, and blobs whose last record is gone.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection};

use super::references::cid_column;
use super::rows::{self, State};
use super::{Blobs, Key};
use crate::store::{Row, StoreError};

/// How long an upload is kept that no record refers to.
const UNREFERENCED_FOR: Duration = Duration::from_hours(6);
/// Blobs looked up at a time.
const BATCH: i64 = 100;

impl Blobs {
    /// Removes what is to be removed now; says how many blobs that were. What cannot be removed is tried again the next time.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn collect(&self) -> Result<u64, StoreError> {
        let mut removed = self.remove_strays().await?;
        self.expire().await?;
        let mut last: Option<Key> = None;
        loop {
            let batch = to_be_removed(&mut *self.0.store.read().await?, last.as_ref()).await?;
            let Some(end) = batch.last() else { return Ok(removed) };
            last = Some(end.clone());
            for key in batch {
                removed += self.remove(key).await?;
            }
        }
    }

    /// Removes a blob unless somebody uploaded it once more meanwhile; says how many blobs that were.
    async fn remove(&self, key: Key) -> Result<u64, StoreError> {
        let _lock = self.0.locks.lock(key.clone()).await;
        let (did, cid) = &key;
        let row = rows::find(&self.0.store, did, cid).await?;
        if !row.is_some_and(|row| row.state == State::Deleting && !row.taken_down) {
            return Ok(0);
        }
        if let Err(error) = self.0.files.delete(did, cid).await {
            tracing::warn!(%did, %cid, %error, "a blob cannot be removed");
            return Ok(0);
        }
        self.change(
            vec![key],
            "DELETE FROM blob WHERE did = $1 AND cid = $2 AND state = 'deleting'",
        )
        .await?;
        Ok(1)
    }

    /// Turns uploads that have been temporary for too long into such that are being deleted, unless a record refers to them now.
    async fn expire(&self) -> Result<(), StoreError> {
        let age = i64::try_from(UNREFERENCED_FOR.as_micros()).unwrap_or(i64::MAX);
        let uploaded_before = self.0.clock.now_micros().saturating_sub(age);
        loop {
            let batch = expired(&mut *self.0.store.read().await?, uploaded_before).await?;
            if batch.is_empty() {
                return Ok(());
            }
            self.change(
                batch,
                "UPDATE blob SET state = 'deleting' WHERE did = $1 AND cid = $2 AND state = 'temporary'",
            )
            .await?;
        }
    }

    /// Runs a statement for each of these blobs, in one transaction.
    async fn change(&self, blobs: Vec<Key>, sql: &'static str) -> Result<(), StoreError> {
        let changed = self.0.store.change(move |tx| {
            Box::pin(async move {
                for (did, cid) in blobs {
                    let statement = sqlx::query(sql).bind(did.as_str()).bind(&cid.as_bytes()[..]);
                    statement.execute(tx.connection()).await.map_err(StoreError::from)?;
                }
                Ok::<_, StoreError>(())
            })
        });
        changed.await
    }
}

async fn expired(connection: &mut SqliteConnection, uploaded_before: i64) -> Result<Vec<Key>, StoreError> {
    let rows = sqlx::query(
        "SELECT did, cid FROM blob WHERE state <> 'permanent' AND state = 'temporary' AND uploaded_at < $1 LIMIT $2",
    )
    .bind(uploaded_before)
    .bind(BATCH)
    .fetch_all(connection)
    .await?;
    rows.iter().map(key).collect()
}

/// What a moderator took down stays until the takedown is lifted.
async fn to_be_removed(connection: &mut SqliteConnection, after: Option<&Key>) -> Result<Vec<Key>, StoreError> {
    let (did, cid) = after.map_or(("", &[][..]), |(did, cid)| (did.as_str(), &cid.as_bytes()[..]));
    let rows = sqlx::query(
        "SELECT did, cid FROM blob WHERE state <> 'permanent' AND state = 'deleting' AND takedown_ref IS NULL \
         AND (did, cid) > ($1, $2) ORDER BY did, cid LIMIT $3",
    )
    .bind(did)
    .bind(cid)
    .bind(BATCH)
    .fetch_all(connection)
    .await?;
    rows.iter().map(key).collect()
}

pub(super) fn key(row: &Row) -> Result<Key, StoreError> {
    let did: &str = row.try_get(0)?;
    let did = did
        .parse()
        .map_err(|_| StoreError::Damaged("DID of a blob".to_owned()))?;
    Ok((did, cid_column(row.try_get(1)?)?))
}
