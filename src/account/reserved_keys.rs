//! Signing keys promised to DIDs before their accounts move here, so that a DID's document can name its key first.
//!
//! Anybody may ask, so what is kept is bounded in number and in time. A key that was promised stays for that time, whoever asks meanwhile.

use atproto_data::Did;
use sqlx::{Row as _, SqliteConnection};

use super::Accounts;
use crate::identity::sealing::SealedKey;
use crate::store::StoreError;

/// The most keys that are reserved, some 300 bytes each: at the limits of one address it takes more than a hundred to use them up.
const MAX_RESERVED: i64 = 100_000;
/// How long a key is reserved, µs: a week.
const KEPT_FOR: i64 = 7 * 24 * 60 * 60 * 1_000_000;

/// Why no key is reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveKeyError {
    /// Too many are already.
    #[error("Too many signing keys are reserved, please try again later")]
    Full,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Reserves a signing key, for a DID the same each time. Returns its public half, a `did:key`.
    ///
    /// # Errors
    /// If too many are reserved, or the database fails.
    pub async fn reserve_signing_key(&self, did: Option<Did>) -> Result<String, ReserveKeyError> {
        if let Some(did) = &did {
            let found = find(&mut *self.0.store.read().await?, did).await?;
            if let Some((public_key, _)) = found {
                return Ok(public_key);
            }
        }
        let key = self.new_signing_key();
        let public_key = key.public_key().to_did_key();
        let reserved_for = match did {
            Some(did) => did,
            None => public_key
                .parse()
                .map_err(|_| StoreError::Damaged("a did:key that is no DID".to_owned()))?,
        };
        let sealed = self.0.sealer.seal(&*self.0.random, &reserved_for, &key);
        let now = self.0.clock.now_micros();
        let reserved = self.0.store.change(move |tx| {
            Box::pin(async move {
                let connection = tx.connection();
                remove_old(connection, now).await?;
                if count(connection).await? >= MAX_RESERVED {
                    return Err(ReserveKeyError::Full);
                }
                Ok(insert(connection, &reserved_for, &public_key, &sealed, now).await?)
            })
        });
        reserved.await
    }
}

/// Public and sealed half of the key that is reserved for a DID.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    did: &Did,
) -> Result<Option<(String, SealedKey)>, StoreError> {
    let row =
        sqlx::query("SELECT public_key, sealed, sealing_key_id FROM reserved_signing_key WHERE reserved_for = $1")
            .bind(did.as_str())
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed = SealedKey {
        bytes: row.try_get(1)?,
        sealing_key_id: row.try_get(2)?,
    };
    Ok(Some((row.try_get(0)?, sealed)))
}

/// Removes the key that was reserved for a DID, because it is in use or not needed.
pub(super) async fn remove(connection: &mut SqliteConnection, did: &Did) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reserved_signing_key WHERE reserved_for = $1")
        .bind(did.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a key whomever it was reserved for.
pub(super) async fn remove_key(connection: &mut SqliteConnection, public_key: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reserved_signing_key WHERE public_key = $1")
        .bind(public_key)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what is too old.
async fn remove_old(connection: &mut SqliteConnection, now: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reserved_signing_key WHERE created_at <= $1")
        .bind(now.saturating_sub(KEPT_FOR))
        .execute(connection)
        .await?;
    Ok(())
}

async fn count(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM reserved_signing_key")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Stores a key, unless the DID has one by now; returns the public half of the one it has.
async fn insert(
    connection: &mut SqliteConnection,
    reserved_for: &Did,
    public_key: &str,
    sealed: &SealedKey,
    now: i64,
) -> Result<String, StoreError> {
    let row = sqlx::query(
        "INSERT INTO reserved_signing_key (reserved_for, public_key, sealed, sealing_key_id, created_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (reserved_for) DO UPDATE SET reserved_for = excluded.reserved_for \
         RETURNING public_key",
    )
    .bind(reserved_for.as_str())
    .bind(public_key)
    .bind(&sealed.bytes)
    .bind(&sealed.sealing_key_id)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(row.try_get(0)?)
}
