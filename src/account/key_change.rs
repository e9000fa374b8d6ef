//! Giving an account another signing key: one that this server reserved for it, so that it can sign with it.

use atproto_data::{Did, SigningKey, Tid};
use atproto_plc::UnsignedOperation;
use atproto_repo::frame::{identity_event, sync_event};

use super::activation::fresh_head;
use super::genesis::car_of_commit;
use super::lookup::find_by_id;
use super::{Account, Accounts, reserved_keys};
use crate::identity::sealing::SealedKey;
use crate::identity::{PlcError, SealError, signing_keys};
use crate::random;
use crate::store::{StoreError, Tx};

/// Why an account does not get another signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyChangeError {
    /// This server has not got its private half.
    #[error("This server has no such key: reserve one with com.atproto.server.reserveSigningKey for the account's DID")]
    UnknownKey,
    /// The account is gone.
    #[error("Account not found")]
    NotFound,
    /// A did:web is its owner's to change.
    #[error("The DID document does not name this key yet, and its owner has to change it")]
    NotClaimed,
    /// The DID has ended.
    #[error("Did is tombstoned")]
    Tombstoned,
    /// The directory did not take it.
    #[error(transparent)]
    Plc(#[from] PlcError),
    /// A key cannot be opened.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that this server can sign with.
struct HeldKey {
    public_key: String,
    key: SigningKey,
    /// Sealed for the account.
    sealed: SealedKey,
}

impl Accounts {
    /// Makes a key that was reserved for the account its signing key: first in its DID, then here, with a fresh head for an active account.
    /// The same key again repairs what an earlier change left half-done. The caller holds the repo's lock and drops what is cached of the
    /// repo and its key afterwards.
    ///
    /// # Errors
    /// Why not. After an error of the directory, or of the database, the call is to be repeated.
    pub async fn change_signing_key(&self, account: &Account, public_key: &str) -> Result<(), KeyChangeError> {
        let held = self.held_key(&account.did, public_key).await?;
        self.publish_key(&account.did, public_key).await?;
        self.forget_did_document(&account.did).await;
        let clock_id = u16::from_be_bytes(random::bytes(&*self.0.random));
        let tid = Tid::from_parts(self.0.clock.now_micros().unsigned_abs(), clock_id);
        let account_id = account.account_id;
        let changed = self
            .0
            .store
            .change(move |tx| Box::pin(async move { use_key(tx, account_id, &held, tid).await }));
        changed.await
    }

    /// The account's present key, one reserved for it, or one reserved for nobody in particular.
    async fn held_key(&self, did: &Did, public_key: &str) -> Result<HeldKey, KeyChangeError> {
        let reserved_for_nobody: Option<Did> = public_key.parse().ok();
        let mut reader = self.0.store.read().await?;
        let present = match signing_keys::public_key(&mut reader, did).await? {
            Some(present) if present == public_key => signing_keys::sealed(&mut reader, did).await?,
            _ => None,
        };
        let mut found = present.map(|sealed| (did.clone(), sealed));
        for owner in [Some(did.clone()), reserved_for_nobody].into_iter().flatten() {
            if found.is_none()
                && let Some((reserved, sealed)) = reserved_keys::find(&mut reader, &owner).await?
                && reserved == public_key
            {
                found = Some((owner, sealed));
            }
        }
        drop(reader);
        let (owner, sealed) = found.ok_or(KeyChangeError::UnknownKey)?;
        let key = self.0.sealer.open(&owner, &sealed)?;
        Ok(HeldKey {
            public_key: public_key.to_owned(),
            sealed: self.0.sealer.seal(&*self.0.random, did, &key),
            key,
        })
    }

    /// Makes the DID name the key, unless it does already.
    async fn publish_key(&self, did: &Did, public_key: &str) -> Result<(), KeyChangeError> {
        if did.method() != "plc" {
            let resolved = self.0.dids.refresh(did).await.ok().flatten();
            let named = resolved.and_then(|resolved| resolved.document.signing_key("atproto"));
            let is_named = named.is_some_and(|named| named.to_did_key() == public_key);
            return if is_named {
                Ok(())
            } else {
                Err(KeyChangeError::NotClaimed)
            };
        }
        let last = self
            .0
            .plc
            .last_operation(did)
            .await?
            .ok_or(KeyChangeError::Tombstoned)?;
        if last
            .state()
            .is_some_and(|state| state.signing_key() == Some(public_key))
        {
            return Ok(());
        }
        let next = UnsignedOperation::update_from(&last, |state| state.set_signing_key(public_key))
            .map_err(|_| KeyChangeError::Tombstoned)?
            .sign(&self.0.settings.plc_rotation_key);
        Ok(self.0.plc.publish(did, &next).await?)
    }
}

async fn use_key(tx: &mut Tx<'_>, account_id: i64, held: &HeldKey, tid: Tid) -> Result<(), KeyChangeError> {
    let account = find_by_id(tx.connection(), account_id).await?;
    let account = account.ok_or(KeyChangeError::NotFound)?;
    signing_keys::replace(tx.connection(), &account.did, &held.public_key, &held.sealed).await?;
    reserved_keys::remove_key(tx.connection(), &held.public_key).await?;
    // An inactive account gets its fresh head when it is switched on, and nothing is told of it until then.
    if !account.status.is_active() {
        return Ok(());
    }
    let head = fresh_head(tx.connection(), &account, &held.key, tid).await?;
    let car = car_of_commit(&head.commit.cid, &head.commit.bytes);
    let events = [
        identity_event(&account.did, Some(&account.handle)),
        sync_event(&account.did, head.rev, &car),
    ];
    for event in &events {
        tx.emit(account_id, account.repo_id, event).await?;
    }
    Ok(())
}
