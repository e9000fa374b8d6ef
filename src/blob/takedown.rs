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

/// For the transaction that deletes an account: all its blobs are removed by the collector, even those that were taken down.
///
/// # Errors
/// If the database fails.
pub async fn release_account(connection: &mut SqliteConnection, did: &Did) -> Result<(), StoreError> {
    sqlx::query("UPDATE blob SET state = 'deleting', takedown_ref = NULL WHERE did = $1")
        .bind(did.as_str())
        .execute(connection)
        .await?;
    Ok(())
}
