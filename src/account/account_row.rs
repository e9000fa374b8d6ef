//! The second transaction of account creation: account, empty repo, signing key, invite use, events, session.

use sqlx::{Row as _, SqliteConnection};

use super::create::CreateError;
use super::genesis::FirstCommit;
use super::pending::{self, Pending};
use super::sessions::NewSession;
use super::{Account, AccountStatus, invites};
use crate::identity::signing_keys;
use crate::store::{StoreError, Tx};

/// Everything that the second transaction stores.
pub(super) struct AccountRow {
    pub(super) pending: Pending,
    pub(super) email: String,
    pub(super) password_hash: Option<String>,
    pub(super) commit: FirstCommit,
    pub(super) session: NewSession,
    pub(super) now: i64,
}

impl AccountRow {
    /// Stores the account, unless the job took the pending row away meanwhile.
    pub(super) async fn insert(&self, tx: &mut Tx<'_>) -> Result<Account, CreateError> {
        let Pending {
            did,
            handle,
            invite_code,
            public_key,
            sealed,
            ..
        } = &self.pending;
        if !pending::finish(tx.connection(), did).await? {
            return Err(CreateError::Interrupted);
        }
        let repo_id = self.commit.insert(tx.connection()).await?;
        let account_id = self.insert_account(tx.connection(), repo_id).await?;
        signing_keys::insert(tx.connection(), did, public_key, sealed).await?;
        if let Some(code) = invite_code {
            invites::mark_used(tx.connection(), code, did.as_str(), self.now).await?;
        }
        for event in &self.commit.events {
            tx.emit(account_id, repo_id, event).await?;
        }
        self.session.insert(tx.connection(), account_id).await?;
        Ok(Account {
            account_id,
            repo_id,
            did: did.clone(),
            handle: handle.clone(),
            status: AccountStatus::Active,
            email: self.email.clone(),
            email_confirmed: false,
        })
    }

    async fn insert_account(&self, connection: &mut SqliteConnection, repo_id: i64) -> Result<i64, StoreError> {
        let row = sqlx::query(
            // The first repo's number is the account's too: numbers of repos are never given out twice.
            "INSERT INTO account (account_id, did, handle, email, email_key, password_hash, repo_id, created_at) \
             VALUES ($6, $1, $2, $3, $4, $5, $6, $7) RETURNING account_id",
        )
        .bind(self.pending.did.as_str())
        .bind(self.pending.handle.as_str())
        .bind(&self.email)
        .bind(&self.pending.email_key)
        .bind(self.password_hash.as_deref())
        .bind(repo_id)
        .bind(self.now)
        .fetch_one(connection)
        .await?;
        Ok(row.try_get(0)?)
    }
}
