//! The DID documents of our accounts, as the PLC directory shows them.

use std::sync::Arc;
use std::time::Duration;

use atproto_data::Did;
use atproto_plc::State;
use moka::future::Cache;
use serde_json::Value;

use super::{Account, Accounts};
use crate::identity::{PlcDirectory, PlcError, signing_keys};
use crate::store::StoreError;

/// Documents kept, and for how long: anybody may ask for them, but the directory should not be asked each time.
const CACHED_DOCUMENTS: u64 = 2_000;
const KEPT_FOR: Duration = Duration::from_mins(5);

/// Why there is no DID document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The directory does not know the DID, or it is tombstoned.
    #[error("the PLC directory has no such DID")]
    Unknown,
    /// The directory fails.
    #[error(transparent)]
    Plc(#[from] PlcError),
}

/// The directory's documents, with those asked for lately.
pub(super) struct Documents {
    plc: Arc<dyn PlcDirectory>,
    cache: Cache<Did, Value>,
}

impl Documents {
    pub(super) fn new(plc: Arc<dyn PlcDirectory>) -> Documents {
        let cache = Cache::builder()
            .max_capacity(CACHED_DOCUMENTS)
            .time_to_live(KEPT_FOR)
            .build();
        Documents { plc, cache }
    }
}

impl Accounts {
    /// The DID document of an account, up to five minutes old.
    ///
    /// # Errors
    /// If the directory does not give one.
    pub async fn did_document(&self, did: &Did) -> Result<Value, DocumentError> {
        let Documents { plc, cache } = &self.0.documents;
        if let Some(document) = cache.get(did).await {
            return Ok(document);
        }
        let document = plc.document(did).await?.ok_or(DocumentError::Unknown)?;
        cache.insert(did.clone(), document.clone()).await;
        Ok(document)
    }

    /// What an account's DID should say to be hosted here: keys, handle and service. Nothing if the account has no signing key.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recommended_credentials(&self, account: &Account) -> Result<Option<State>, StoreError> {
        let public_key = signing_keys::public_key(&mut *self.0.store.read().await?, &account.did).await?;
        let rotation_keys = self.rotation_keys(None);
        let public_url = &self.0.settings.public_url;
        Ok(public_key.map(|key| State::for_account(&key, &account.handle, public_url, rotation_keys)))
    }

    /// Drops an account's DID document from memory, because it changed.
    pub async fn forget_did_document(&self, did: &Did) {
        self.0.documents.cache.invalidate(did).await;
    }
}
