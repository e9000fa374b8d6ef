//! Changes of an account's DID by its owner: signed with the server's rotation key against a mailed code, checked and sent to the directory.

use std::collections::BTreeMap;

use atproto_plc::state::{ATPROTO_PDS, ATPROTO_PDS_TYPE, HANDLE_PREFIX};
use atproto_plc::{Operation, Service, State, UnsignedOperation};
use atproto_repo::frame::identity_event;

use super::email_token::EmailTokenError;
use super::lookup::find_by_id;
use super::{Account, Accounts};
use crate::identity::{PlcError, signing_keys};
use crate::mail::{Code, Language};
use crate::store::StoreError;

/// What is to be different in a DID; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlcChanges {
    /// `did:key`s that may change the DID, the most powerful first.
    pub rotation_keys: Option<Vec<String>>,
    /// Names, the preferred first.
    pub also_known_as: Option<Vec<String>>,
    /// `did:key`s by name.
    pub verification_methods: Option<BTreeMap<String, String>>,
    /// Services by name.
    pub services: Option<BTreeMap<String, Service>>,
}

/// Why a DID is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PlcOperationError {
    /// The code is not good.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// The DID is none that the directory keeps.
    #[error("Only a did:plc is changed here: the owner of another DID changes its document")]
    NotPlc,
    /// The DID has ended.
    #[error("Did is tombstoned")]
    Tombstoned,
    /// The operation would take the account away from this server by mistake.
    #[error("{0}")]
    Refused(&'static str),
    /// The directory did not take it.
    #[error(transparent)]
    Plc(#[from] PlcError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Mails the code with which an operation of the account's DID is signed.
    ///
    /// # Errors
    /// If there are no such operations, or the database fails.
    pub async fn mail_plc_code(&self, account: &Account, language: Language) -> Result<(), PlcOperationError> {
        check_is_plc(account)?;
        Ok(self.mail_code(account, Code::PlcOperation, language).await?)
    }

    /// Signs the operation that follows the DID's last one with some changes; the code is spent. Nothing is sent to the directory.
    ///
    /// # Errors
    /// Why not. The code stays good if the directory fails.
    pub async fn sign_plc_operation(
        &self,
        account: &Account,
        token: &str,
        changes: PlcChanges,
    ) -> Result<Operation, PlcOperationError> {
        check_is_plc(account)?;
        self.check_code(account.account_id, Code::PlcOperation, token).await?;
        let last = self.0.plc.last_operation(&account.did).await?;
        let last = last.ok_or(PlcOperationError::Tombstoned)?;
        let next = UnsignedOperation::update_from(&last, |state| changes.apply(state))
            .map_err(|_| PlcOperationError::Tombstoned)?;
        self.spend_code(account.account_id, Code::PlcOperation, token).await?;
        Ok(next.sign(&self.0.settings.plc_rotation_key))
    }

    /// Sends an operation of the account's DID to the directory and tells the network. It must leave the account here: with this
    /// server's rotation key, its address, the account's signing key and its handle.
    ///
    /// # Errors
    /// What is wrong with the operation, or what the directory says.
    pub async fn submit_plc_operation(&self, account: &Account, operation: Operation) -> Result<(), PlcOperationError> {
        check_is_plc(account)?;
        let public_key = signing_keys::public_key(&mut *self.0.store.read().await?, &account.did).await?;
        self.check_operation(account, &operation, public_key.as_deref())?;
        let (accounts, account_id, did) = (self.clone(), account.account_id, account.did.clone());
        // Neither a caller that goes away nor the end of the server must keep the network from hearing of it.
        let task = self.0.tasks.spawn(async move {
            accounts.0.plc.publish(&did, &operation).await?;
            accounts.forget_did_document(&did).await;
            accounts.announce_identity(account_id).await
        });
        task.await.unwrap_or(Err(PlcOperationError::Store(StoreError::CLOSED)))
    }

    fn check_operation(
        &self,
        account: &Account,
        operation: &Operation,
        public_key: Option<&str>,
    ) -> Result<(), PlcOperationError> {
        let UnsignedOperation::PlcOperation { state, .. } = operation.unsigned() else {
            return Err(PlcOperationError::Refused("Invalid operation"));
        };
        let own = self.0.settings.plc_rotation_key.public_key().to_did_key();
        let service = state.services.get(ATPROTO_PDS);
        let handle = format!("{HANDLE_PREFIX}{}", account.handle);
        let rules = [
            (
                state.rotation_keys.contains(&own),
                "Rotation keys do not include server's rotation key",
            ),
            (
                service.is_some_and(|service| service.service_type == ATPROTO_PDS_TYPE),
                "Incorrect type on atproto_pds service",
            ),
            (
                state.pds_endpoint() == Some(self.0.settings.public_url.as_str()),
                "Incorrect endpoint on atproto_pds service",
            ),
            (
                public_key.is_some() && state.signing_key() == public_key,
                "Incorrect signing key",
            ),
            (
                state.also_known_as.first() == Some(&handle),
                "Incorrect handle in alsoKnownAs",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err(PlcOperationError::Refused(message)),
            None => Ok(()),
        }
    }

    /// Tells the network that a DID has changed, if it knows of the account. Without the handle, as the reference does: it may be what
    /// changed.
    async fn announce_identity(&self, account_id: i64) -> Result<(), PlcOperationError> {
        let told = self.0.store.change(move |tx| {
            Box::pin(async move {
                let account = find_by_id(tx.connection(), account_id).await?;
                if let Some(account) = account.filter(|account| account.status.is_active()) {
                    let event = identity_event(&account.did, None);
                    tx.emit(account_id, account.repo_id, &event).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        Ok(told.await?)
    }
}

impl PlcChanges {
    fn apply(self, state: &mut State) {
        let PlcChanges {
            rotation_keys,
            also_known_as,
            verification_methods,
            services,
        } = self;
        if let Some(keys) = rotation_keys {
            state.rotation_keys = keys;
        }
        if let Some(names) = also_known_as {
            state.also_known_as = names;
        }
        if let Some(methods) = verification_methods {
            state.verification_methods = methods;
        }
        if let Some(services) = services {
            state.services = services;
        }
    }
}

fn check_is_plc(account: &Account) -> Result<(), PlcOperationError> {
    if account.did.method() == "plc" {
        Ok(())
    } else {
        Err(PlcOperationError::NotPlc)
    }
}
