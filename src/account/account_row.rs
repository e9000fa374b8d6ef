//! What makes an account: its row, repo, signing key, invite use, events and first session.

use atproto_data::{Did, Handle};
use sqlx::{Row as _, SqliteConnection};

use super::create::CreateError;
use super::genesis::FirstCommit;
use super::sessions::NewSession;
use super::{Account, AccountStatus, invites};
use crate::blob::release_predecessor;
use crate::identity::sealing::SealedKey;
use crate::identity::signing_keys;
use crate::store::{StoreError, Tx};

/// So long after it began a move that was given up is deleted, µs: it holds a handle, an address, an invite and perhaps a repo.
const MOVE_WITHIN: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// How an account begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// In use, and told to the network.
    Active,
    /// Off, until it has moved in; the network hears nothing of it.
    MovingIn,
}

/// Everything that is stored of a new account.
pub(super) struct AccountRow {
    pub(super) did: Did,
    pub(super) handle: Handle,
    pub(super) email: String,
    pub(super) email_key: String,
    pub(super) invite_code: Option<String>,
    pub(super) password_hash: Option<String>,
    /// The signing key's public half, a `did:key`.
    pub(super) public_key: String,
    pub(super) sealed: SealedKey,
    pub(super) commit: FirstCommit,
    pub(super) session: NewSession,
    pub(super) beginning: Beginning,
    pub(super) now: i64,
}

impl AccountRow {
    /// Stores the account. Handle, e-mail address and invite have been checked in this transaction.
    pub(super) async fn insert(&self, tx: &mut Tx<'_>) -> Result<Account, CreateError> {
        let did = &self.did;
        release_predecessor(tx.connection(), did).await?;
        let repo_id = self.commit.insert(tx.connection()).await?;
        let account_id = self.insert_account(tx.connection(), repo_id).await?;
        signing_keys::insert(tx.connection(), did, &self.public_key, &self.sealed).await?;
        if let Some(code) = &self.invite_code {
            invites::mark_used(tx.connection(), code, did.as_str(), self.now).await?;
        }
        if self.beginning == Beginning::Active {
            for event in &self.commit.events {
                tx.emit(account_id, repo_id, event).await?;
            }
        }
        self.session.insert(tx.connection(), account_id).await?;
        Ok(Account {
            account_id,
            repo_id,
            did: did.clone(),
            handle: self.handle.clone(),
            status: match self.beginning {
                Beginning::Active => AccountStatus::Active,
                Beginning::MovingIn => AccountStatus::Deactivated,
            },
            email: self.email.clone(),
            email_confirmed: false,
            email_factor: false,
        })
    }

    async fn insert_account(&self, connection: &mut SqliteConnection, repo_id: i64) -> Result<i64, StoreError> {
        let moving_in = (self.beginning == Beginning::MovingIn).then_some(());
        let row = sqlx::query(
            // The first repo's number is the account's too: numbers of repos are never given out twice.
            "INSERT INTO account (account_id, did, handle, email, email_key, password_hash, repo_id, created_at, deactivated_at, \
             delete_after) VALUES ($6, $1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING account_id",
        )
        .bind(self.did.as_str())
        .bind(self.handle.as_str())
        .bind(&self.email)
        .bind(&self.email_key)
        .bind(self.password_hash.as_deref())
        .bind(repo_id)
        .bind(self.now)
        .bind(moving_in.map(|()| self.now))
        .bind(moving_in.map(|()| self.now.saturating_add(MOVE_WITHIN)))
        .fetch_one(connection)
        .await?;
        Ok(row.try_get(0)?)
    }
}
