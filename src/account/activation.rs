//! Switching an account off and on again.

use atproto_data::{Cid, Did, SigningKey, Tid};
use atproto_repo::commit::{Commit, SignedCommit, UnsignedCommit};
use atproto_repo::frame::{account_event, identity_event, sync_event};
use sqlx::{Row as _, SqliteConnection};

use super::genesis::car_of_commit;
use super::lookup::find_by_id;
use super::status::announce_status;
use super::{Account, AccountStatus, Accounts};
use crate::identity::{PlcError, SealError, signing_keys};
use crate::random;
use crate::store::{StoreError, Tx};

/// Why an account is not switched on.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// It is taken down or gone.
    #[error("user not found")]
    TakenDown,
    /// Its DID does not say that it is hosted here.
    #[error("{0}")]
    Did(&'static str),
    /// The directory does not say what its DID says.
    #[error(transparent)]
    Plc(#[from] PlcError),
    /// Its signing key cannot be opened.
    #[error(transparent)]
    Key(#[from] SealError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The head of a repo.
pub(super) struct Head {
    pub(super) commit: SignedCommit,
    pub(super) rev: Tid,
}

/// Leave to switch an account on.
pub struct Activation {
    account_id: i64,
    key: SigningKey,
}

impl Accounts {
    /// Switches an account off; `delete_after`, µs since 1970, says from when on nobody will miss it. The caller holds the repo's lock.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn deactivate(&self, account_id: i64, delete_after: Option<i64>) -> Result<(), StoreError> {
        let now = self.0.clock.now_micros();
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE account SET deactivated_at = $1, delete_after = $2 WHERE account_id = $3")
                    .bind(now)
                    .bind(delete_after)
                    .bind(account_id)
                    .execute(tx.connection())
                    .await?;
                match find_by_id(tx.connection(), account_id).await? {
                    Some(account) => announce_status(tx, &account).await,
                    None => Ok(()),
                }
            })
        });
        done.await
    }

    /// Finds out whether the account's DID says that it is hosted here. Holds no lock: that may be slow.
    ///
    /// # Errors
    /// If the account is taken down, its DID says something else or cannot be looked up, or the database fails.
    pub async fn check_activation(&self, account: &Account) -> Result<Activation, ActivateError> {
        if account.status == AccountStatus::TakenDown {
            return Err(ActivateError::TakenDown);
        }
        let key = self.open_signing_key(&account.did).await?;
        self.check_did(&account.did, &key).await?;
        Ok(Activation {
            account_id: account.account_id,
            key,
        })
    }

    /// Switches an account on. One that was off, or whose head was signed with another key, gets a fresh commit of the same tree. The
    /// caller holds the repo's lock and drops what is cached of the repo afterwards.
    ///
    /// # Errors
    /// If the account was taken down meanwhile or the database fails.
    pub async fn activate(&self, activation: Activation) -> Result<(), ActivateError> {
        let clock_id = u16::from_be_bytes(random::bytes(&*self.0.random));
        let tid = Tid::from_parts(self.0.clock.now_micros().unsigned_abs(), clock_id);
        let done = self
            .0
            .store
            .change(move |tx| Box::pin(async move { switch_on(tx, &activation, tid).await }));
        done.await
    }

    /// Whether a DID's document, and its rotation keys if it is a did:plc, are such that the account can be active here (`checkAccountStatus`).
    ///
    /// # Errors
    /// If the account's key cannot be opened or the database fails; a directory that fails makes the answer no.
    pub async fn is_did_valid(&self, account: &Account) -> Result<bool, ActivateError> {
        let key = self.open_signing_key(&account.did).await?;
        Ok(self.check_did(&account.did, &key).await.is_ok())
    }

    pub(super) async fn open_signing_key(&self, did: &Did) -> Result<SigningKey, ActivateError> {
        let sealed = signing_keys::sealed(&mut *self.0.store.read().await?, did).await?;
        let sealed = sealed.ok_or_else(|| StoreError::Damaged(format!("{did} has no signing key")))?;
        Ok(self.0.sealer.open(did, &sealed)?)
    }
}

async fn switch_on(tx: &mut Tx<'_>, activation: &Activation, tid: Tid) -> Result<(), ActivateError> {
    let account = find_by_id(tx.connection(), activation.account_id).await?;
    let account = account.filter(|account| account.status != AccountStatus::TakenDown);
    let account = account.ok_or(ActivateError::TakenDown)?;
    let head = fresh_head(tx.connection(), &account, &activation.key, tid).await?;
    sqlx::query("UPDATE account SET deactivated_at = NULL, delete_after = NULL WHERE account_id = $1")
        .bind(account.account_id)
        .execute(tx.connection())
        .await
        .map_err(StoreError::from)?;
    tell_active(tx, &account, &head).await?;
    Ok(())
}

/// Tells the network that an account is in use, its handle and its head.
pub(super) async fn tell_active(tx: &mut Tx<'_>, account: &Account, head: &Head) -> Result<(), StoreError> {
    let did = &account.did;
    let car = car_of_commit(&head.commit.cid, &head.commit.bytes);
    let events = [
        account_event(did, None),
        identity_event(did, Some(&account.handle)),
        sync_event(did, head.rev, &car),
    ];
    for event in &events {
        tx.emit(account.account_id, account.repo_id, event).await?;
    }
    Ok(())
}

/// The head as the network may see it: signed with the account's key, and newer than any before if the account was off.
pub(super) async fn fresh_head(
    connection: &mut SqliteConnection,
    account: &Account,
    key: &SigningKey,
    tid: Tid,
) -> Result<Head, StoreError> {
    let stored = stored_head(connection, account).await?;
    if account.status.is_active() && stored.commit.verify(&key.public_key()).is_ok() {
        return Ok(Head {
            rev: stored.commit.rev,
            commit: SignedCommit {
                cid: stored.cid,
                bytes: stored.bytes,
            },
        });
    }
    sign_anew(connection, stored, account, key, tid).await
}

/// Makes a new head of the same tree, newer than any before.
pub(super) async fn sign_head(
    connection: &mut SqliteConnection,
    account: &Account,
    key: &SigningKey,
    tid: Tid,
) -> Result<Head, StoreError> {
    let stored = stored_head(connection, account).await?;
    sign_anew(connection, stored, account, key, tid).await
}

async fn sign_anew(
    connection: &mut SqliteConnection,
    Stored { commit, rev_floor, .. }: Stored,
    account: &Account,
    key: &SigningKey,
    tid: Tid,
) -> Result<Head, StoreError> {
    // An imported head may be older than what the account had here before.
    let before = commit.rev.max(rev_floor);
    let rev = if tid > before {
        tid
    } else {
        Tid::from_parts(before.micros() + 1, tid.clock_id())
    };
    let commit = UnsignedCommit {
        did: account.did.clone(),
        data: commit.data,
        rev,
    }
    .sign(key);
    sqlx::query("UPDATE repo SET commit_cid = $1, rev = $2, commit_data = $3 WHERE repo_id = $4")
        .bind(commit.cid.as_bytes().to_vec())
        .bind(rev.as_u64().cast_signed())
        .bind(&commit.bytes)
        .bind(account.repo_id)
        .execute(connection)
        .await?;
    Ok(Head { commit, rev })
}

/// The head as it is in the database.
struct Stored {
    cid: Cid,
    bytes: Vec<u8>,
    commit: Commit,
    /// The next rev has to be newer than this one too.
    rev_floor: Tid,
}

async fn stored_head(connection: &mut SqliteConnection, account: &Account) -> Result<Stored, StoreError> {
    let row = sqlx::query("SELECT commit_cid, commit_data, rev_floor FROM repo WHERE repo_id = $1")
        .bind(account.repo_id)
        .fetch_one(connection)
        .await?;
    let damaged = |what: &str| StoreError::Damaged(format!("head of repo {}: {what}", account.repo_id));
    let bytes: Vec<u8> = row.try_get(1)?;
    Ok(Stored {
        cid: Cid::from_bytes(row.try_get(0)?).map_err(|_| damaged("CID"))?,
        commit: Commit::decode(&bytes).map_err(|error| damaged(&error.to_string()))?,
        bytes,
        rev_floor: Tid::from_u64(row.try_get::<i64, _>(2)?.cast_unsigned()),
    })
}
