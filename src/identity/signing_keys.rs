//! The accounts' signing keys: opened when needed, kept parsed for a while.

use std::sync::Arc;

use atproto_data::{Did, SigningKey};
use moka::future::Cache;
use sqlx::{Row as _, SqliteConnection};

use super::sealing::{KeySealer, SealError, SealedKey};
use crate::store::{Store, StoreError};

/// Parsed keys in memory, a few hundred bytes each; parsing one takes as long as signing twice.
const CACHED_KEYS: u64 = 4_096;

/// Reads signing keys.
pub struct SigningKeys {
    store: Store,
    sealer: Arc<KeySealer>,
    cache: Cache<Did, Arc<SigningKey>>,
}

/// Why an account's signing key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be opened.
    #[error("the signing key of {did} cannot be opened: {source}")]
    Sealed {
        /// Whose key.
        did: Did,
        /// Why.
        source: SealError,
    },
}

impl SigningKeys {
    /// The keys in a store, sealed with `sealer`.
    pub fn new(store: Store, sealer: Arc<KeySealer>) -> SigningKeys {
        SigningKeys {
            store,
            sealer,
            cache: Cache::new(CACHED_KEYS),
        }
    }

    /// The key that signs an account's commits and service tokens, if the account is known here.
    ///
    /// # Errors
    /// If the database cannot be read or the key cannot be opened.
    pub async fn signing_key(&self, did: &Did) -> Result<Option<Arc<SigningKey>>, SigningKeyError> {
        if let Some(key) = self.cache.get(did).await {
            return Ok(Some(key));
        }
        let Some(sealed) = sealed(&mut *self.store.read().await?, did).await? else {
            return Ok(None);
        };
        let opened = self.sealer.open(did, &sealed);
        let key = Arc::new(opened.map_err(|source| SigningKeyError::Sealed {
            did: did.clone(),
            source,
        })?);
        self.cache.insert(did.clone(), Arc::clone(&key)).await;
        Ok(Some(key))
    }

    /// Drops a key from memory, because it changed or its account is gone.
    pub async fn forget(&self, did: &Did) {
        self.cache.invalidate(did).await;
    }
}

/// Stores the signing key of a new account; `public_key` is its `did:key`.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    did: &Did,
    public_key: &str,
    sealed: &SealedKey,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO signing_key (did, public_key, sealed, sealing_key_id) VALUES ($1, $2, $3, $4)")
        .bind(did.as_str())
        .bind(public_key)
        .bind(&sealed.bytes)
        .bind(&sealed.sealing_key_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives an account another signing key.
pub(crate) async fn replace(
    connection: &mut SqliteConnection,
    did: &Did,
    public_key: &str,
    sealed: &SealedKey,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE signing_key SET public_key = $1, sealed = $2, sealing_key_id = $3 WHERE did = $4")
        .bind(public_key)
        .bind(&sealed.bytes)
        .bind(&sealed.sealing_key_id)
        .bind(did.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// The sealed signing key of an account.
pub(crate) async fn sealed(connection: &mut SqliteConnection, did: &Did) -> Result<Option<SealedKey>, StoreError> {
    let row = sqlx::query("SELECT sealed, sealing_key_id FROM signing_key WHERE did = $1")
        .bind(did.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SealedKey {
        bytes: row.try_get(0)?,
        sealing_key_id: row.try_get(1)?,
    }))
}

/// The public half of an account's signing key as a `did:key`.
pub(crate) async fn public_key(connection: &mut SqliteConnection, did: &Did) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT public_key FROM signing_key WHERE did = $1")
        .bind(did.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use atproto_data::crypto::Curve;

    use super::*;
    use crate::random::fake::FakeRandom;
    use crate::store::testing::TestStore;

    #[tokio::test]
    async fn keys_come_back_and_can_be_forgotten() {
        let test = TestStore::open().await;
        let random = FakeRandom::default();
        let sealer = Arc::new(KeySealer::from_encryption_key(&[1; 32]));
        sealer.check(&test.store, &random).await.unwrap();
        let did: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let key = SigningKey::from_bytes(Curve::K256, &[7; 32]).unwrap();
        let public = key.public_key().to_did_key();
        let keys = SigningKeys::new(test.store.clone(), Arc::clone(&sealer));
        assert!(keys.signing_key(&did).await.unwrap().is_none());

        let (sealed, owner) = (sealer.seal(&random, &did, &key), did.clone());
        let stored = test
            .store
            .change(move |tx| Box::pin(async move { insert(tx.connection(), &owner, "did:key:zTest", &sealed).await }));
        stored.await.unwrap();
        for _ in 0..2 {
            let found = keys.signing_key(&did).await.unwrap().unwrap();
            assert_eq!(found.public_key().to_did_key(), public);
            keys.forget(&did).await;
        }
        let mut reader = test.store.read().await.unwrap();
        assert_eq!(
            public_key(&mut reader, &did).await.unwrap().as_deref(),
            Some("did:key:zTest")
        );
    }
}
