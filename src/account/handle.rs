//! Changing an account's handle.

use atproto_data::{Did, Handle};
use atproto_plc::{Operation, UnsignedOperation};
use atproto_repo::frame::identity_event;
use sqlx::SqliteConnection;

use super::lookup::find_by_id;
use super::pending::is_handle_taken;
use super::{Account, Accounts};
use crate::identity::{HandleRefused, PlcError};
use crate::store::StoreError;

/// Why a handle is not changed. The account keeps the one it had.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It is against the rules.
    #[error(transparent)]
    Refused(#[from] HandleRefused),
    /// It is not under a service domain and does not point to the account's DID.
    #[error("External handle did not resolve to DID")]
    NotProven,
    /// The DID is not ours to change and does not claim it.
    #[error("DID is not properly configured for handle")]
    NotClaimed,
    /// Somebody has it.
    #[error("Handle already taken: {0}")]
    Taken(Handle),
    /// The account is gone.
    #[error("Account not found")]
    NotFound,
    /// The DID cannot be changed any more.
    #[error("The DID {0} is tombstoned")]
    Tombstoned(Did),
    /// The PLC directory did not take the change.
    #[error("the handle could not be changed in the PLC directory: {0}; please try again")]
    Plc(#[from] PlcError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Gives an account another handle: here first, where it must be free, then in its DID, then in the firehose. The old one is held until
    /// then. The same handle again repairs what an earlier change left half-done.
    ///
    /// # Errors
    /// Why not.
    pub async fn change_handle(&self, account: &Account, handle: Handle) -> Result<(), HandleError> {
        let accounts = self.clone();
        let (account_id, did) = (account.account_id, account.did.clone());
        // Neither a caller that goes away nor the end of the server must leave the directory and us saying different things.
        let task = self.0.tasks.spawn(async move {
            let _alone = accounts.0.handle_changes.lock(account_id).await;
            accounts.settle_handle(account_id).await?;
            let old = accounts.take_handle(account_id, handle.clone()).await?;
            if let Err(error) = accounts.publish_handle(&did, &handle).await {
                accounts.go_back_to_handle(account_id, old).await?;
                return Err(error);
            }
            accounts.forget_did_document(&did).await;
            accounts.announce_handle(account_id).await
        });
        task.await.unwrap_or(Err(HandleError::Store(StoreError::CLOSED)))
    }

    /// Stores a handle that must be free, and holds the one before, which is returned.
    async fn take_handle(&self, account_id: i64, handle: Handle) -> Result<Handle, HandleError> {
        let change = self.0.store.change(move |tx| {
            Box::pin(async move {
                let connection = tx.connection();
                let account = find_by_id(connection, account_id).await?;
                let old = account.ok_or(HandleError::NotFound)?.handle;
                if is_handle_taken(connection, &handle, account_id).await? {
                    return Err(HandleError::Taken(handle));
                }
                hold(connection, account_id, &old).await?;
                store_handle(connection, account_id, &handle).await?;
                Ok(old)
            })
        });
        change.await
    }

    /// Gives an account back the handle that it had.
    pub(super) async fn go_back_to_handle(&self, account_id: i64, handle: Handle) -> Result<(), StoreError> {
        let change = self.0.store.change(move |tx| {
            Box::pin(async move {
                store_handle(tx.connection(), account_id, &handle).await?;
                let_go(tx.connection(), account_id).await
            })
        });
        change.await
    }

    /// Makes the DID claim the handle, unless it does already. A did:web is its owner's to change.
    async fn publish_handle(&self, did: &Did, handle: &Handle) -> Result<(), HandleError> {
        if did.method() != "plc" {
            return if self.document_claims(did, handle).await? {
                Ok(())
            } else {
                Err(HandleError::NotClaimed)
            };
        }
        let last = self.0.plc.last_operation(did).await?;
        let last = last.ok_or_else(|| HandleError::Tombstoned(did.clone()))?;
        if operation_claims(&last, handle) {
            return Ok(());
        }
        let next = UnsignedOperation::update_from(&last, |state| state.set_handle(handle))
            .map_err(|_| HandleError::Tombstoned(did.clone()))?
            .sign(&self.0.settings.plc_rotation_key);
        Ok(self.0.plc.publish(did, &next).await?)
    }

    /// Whether a DID, as it is at this moment, claims a handle.
    pub(super) async fn is_claimed(&self, did: &Did, handle: &Handle) -> Result<bool, HandleError> {
        if did.method() != "plc" {
            return self.document_claims(did, handle).await;
        }
        let last = self.0.plc.last_operation(did).await?;
        Ok(last.is_some_and(|last| operation_claims(&last, handle)))
    }

    async fn document_claims(&self, did: &Did, handle: &Handle) -> Result<bool, HandleError> {
        let resolved = self.0.dids.refresh(did).await.map_err(|_| HandleError::NotClaimed)?;
        Ok(resolved.is_some_and(|resolved| claims(&resolved.document.also_known_as, handle)))
    }

    /// Lets the old handle go and tells the network of the new one.
    pub(super) async fn announce_handle(&self, account_id: i64) -> Result<(), HandleError> {
        let change = self.0.store.change(move |tx| {
            Box::pin(async move {
                let_go(tx.connection(), account_id).await?;
                let account = find_by_id(tx.connection(), account_id).await?;
                let account = account.ok_or(HandleError::NotFound)?;
                // The network hears nothing of inactive accounts; activation tells it the handle.
                if account.status.is_active() {
                    let event = identity_event(&account.did, Some(&account.handle));
                    tx.emit(account_id, account.repo_id, &event).await?;
                }
                Ok(())
            })
        });
        change.await
    }
}

/// Whether the first handle that a DID claims is this one.
fn claims(also_known_as: &[String], handle: &Handle) -> bool {
    let first = also_known_as.iter().find_map(|name| name.strip_prefix("at://"));
    first == Some(handle.as_str())
}

fn operation_claims(operation: &Operation, handle: &Handle) -> bool {
    let state = operation.state();
    state.is_some_and(|state| claims(&state.also_known_as, handle))
}

async fn store_handle(connection: &mut SqliteConnection, account_id: i64, handle: &Handle) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET handle = $1 WHERE account_id = $2")
        .bind(handle.as_str())
        .bind(account_id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn hold(connection: &mut SqliteConnection, account_id: i64, handle: &Handle) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO held_handle (handle, account_id) VALUES ($1, $2) ON CONFLICT (handle) DO NOTHING")
        .bind(handle.as_str())
        .bind(account_id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn let_go(connection: &mut SqliteConnection, account_id: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM held_handle WHERE account_id = $1")
        .bind(account_id)
        .execute(connection)
        .await?;
    Ok(())
}
