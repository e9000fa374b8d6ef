//! Taking blobs down, and all of a deleted account.

use atproto_data::{Cid, Did};
use sqlx::{Row as _, SqliteConnection};

use super::Blobs;
use crate::store::StoreError;

impl Blobs {
    /// Takes a blob down with a reference for the moderators, or lifts the takedown with none. Says whether there is such a blob.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_takedown(&self, did: &Did, cid: &Cid, takedown: Option<String>) -> Result<bool, StoreError> {
        let (did, cid) = (did.clone(), *cid);
        let changed = self.0.store.change(move |tx| {
            Box::pin(async move {
                let done = sqlx::query("UPDATE blob SET takedown_ref = $3 WHERE did = $1 AND cid = $2")
                    .bind(did.as_str())
                    .bind(&cid.as_bytes()[..])
                    .bind(takedown)
                    .execute(tx.connection())
                    .await
                    .map_err(StoreError::from)?;
                Ok::<_, StoreError>(done.rows_affected() > 0)
            })
        });
        changed.await
    }

    /// The takedown of a blob: nothing if there is no such blob, `Some(None)` if it is not taken down.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn takedown(&self, did: &Did, cid: &Cid) -> Result<Option<Option<String>>, StoreError> {
        let row = sqlx::query("SELECT takedown_ref FROM blob WHERE did = $1 AND cid = $2")
            .bind(did.as_str())
            .bind(&cid.as_bytes()[..])
            .fetch_optional(&mut *self.0.store.read().await?)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

/// Blobs of a deleted account released in one transaction: other writers wait no longer than that.
const CHUNK: i64 = 500;

impl Blobs {
    /// Lets the collector remove all blobs of a deleted account, even those that were taken down; in chunks. If the DID has an account again,
    /// nothing is done: that one's beginning did it.
    ///
    /// # Errors
    /// If the database fails; what was released until then stays released.
    pub async fn release_account(&self, did: &Did) -> Result<(), StoreError> {
        let mut after = Some(Vec::new());
        while let Some(behind) = after {
            let did = did.clone();
            let released = self
                .0
                .store
                .change(move |tx| Box::pin(async move { release_chunk(tx.connection(), &did, behind).await }));
            after = released.await?;
        }
        Ok(())
    }
}

/// Releases the next blobs behind a CID; gives the last one's, unless there was none.
async fn release_chunk(
    connection: &mut SqliteConnection,
    did: &Did,
    behind: Vec<u8>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query(CHUNK_END)
        .bind(did.as_str())
        .bind(&behind)
        .bind(CHUNK)
        .fetch_one(&mut *connection)
        .await?;
    let Some(last): Option<Vec<u8>> = row.try_get(0)? else {
        return Ok(None);
    };
    sqlx::query(RELEASE_CHUNK)
        .bind(did.as_str())
        .bind(&behind)
        .bind(&last)
        .execute(connection)
        .await?;
    Ok(Some(last))
}

const CHUNK_END: &str =
    "SELECT max(cid) FROM (SELECT cid FROM blob WHERE did = $1 AND cid > $2 ORDER BY cid LIMIT $3) AS chunk";
const RELEASE_CHUNK: &str = "UPDATE blob SET state = 'deleting', takedown_ref = NULL \
     WHERE did = $1 AND cid > $2 AND cid <= $3 AND NOT EXISTS (SELECT 1 FROM account WHERE did = $1)";

/// For the transaction that makes an account: what is left of blobs that an earlier account of the DID had is not its.
///
/// # Errors
/// If the database fails.
pub async fn release_predecessor(connection: &mut SqliteConnection, did: &Did) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE blob SET state = 'deleting', takedown_ref = NULL \
         WHERE did = $1 AND (state <> 'deleting' OR takedown_ref IS NOT NULL)",
    )
    .bind(did.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
