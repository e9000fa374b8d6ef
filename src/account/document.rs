//! The DID documents of our accounts, and what they should say.

use std::time::Duration;

use atproto_data::Did;
use atproto_plc::State;
use serde_json::Value;
use tokio::time::timeout;

use super::{Account, Accounts};
use crate::identity::{ResolveError, signing_keys};
use crate::store::StoreError;

/// Sessions do not wait longer for a document: clients ask for them often, and do without it.
const SESSION_PATIENCE: Duration = Duration::from_millis(300);

impl Accounts {
    /// The DID document of an account, perhaps from memory; `None` if its DID is tombstoned.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn did_document(&self, did: &Did) -> Result<Option<Value>, ResolveError> {
        let resolved = self.0.dids.resolve(did).await?;
        Ok(resolved.map(|resolved| resolved.json.clone()))
    }

    /// The DID document that comes with a session, if the operator wants that and it can be had at once.
    pub async fn document_for_session(&self, did: &Did) -> Option<Value> {
        if !self.0.settings.did_document_with_session {
            return None;
        }
        // In a task of its own: a document that comes too late is there for the next session.
        let (accounts, did_in_task) = (self.clone(), did.clone());
        let document = tokio::spawn(async move { accounts.did_document(&did_in_task).await });
        let document = timeout(SESSION_PATIENCE, document).await.ok().and_then(Result::ok);
        let document = document.unwrap_or_else(|| Err(ResolveError::Failed("not in time for a session".to_owned())));
        let document = document.inspect_err(|error| tracing::warn!(%error, %did, "no DID document for a session"));
        document.ok().flatten()
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
        self.0.dids.forget(did).await;
    }
}
