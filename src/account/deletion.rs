//! Deleting accounts: the account goes at once, what it leaves behind is removed by a job.

use atproto_data::Did;
use atproto_repo::frame::{self, account_event};
use sqlx::{Row as _, SqliteConnection};

use super::lookup::find_by_id;
use super::reserved_handles::keep_back;
use super::{Account, Accounts, EmailTokenError, Origin, PasswordError};
use crate::mail::Code;
use crate::store::{StoreError, Tx};

/// Accounts that the jobs look at in one run.
const BATCH: i64 = 50;

/// Why an account is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Its owner or an administrator said so.
    Asked,
    /// Its owner switched it off with a date, which has passed. If they switched it on again meanwhile, it stays.
    Due,
}

/// A deleted account that has left something behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// Its repo, whose records are to be removed.
    pub repo_id: i64,
    /// Its DID. The same DID may have a new account.
    pub did: Did,
    /// Seq of its last event, the deletion; the older ones are to be removed.
    pub event: i64,
}

/// Why an account is not deleted by somebody who says to be its owner.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// That is not its password.
    #[error("Invalid did or password")]
    Wrong,
    /// The code is not good.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// The password cannot be checked now.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Accounts {
    /// Whether somebody knows an account's password and the code that was mailed to its owner. A wrong password does not count against
    /// the code, so that strangers cannot end it. `from` is where they are.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_deletion(
        &self,
        account: &Account,
        password: &str,
        token: &str,
        from: Origin,
    ) -> Result<(), DeletionError> {
        if !self.knows_password(account, password, from).await? {
            return Err(DeletionError::Wrong);
        }
        Ok(self.check_code(account.account_id, Code::DeleteAccount, token).await?)
    }

    /// Deletes an account: nobody can log in any more, the handle is free for an administrator to give, the network is told. The caller
    /// holds the repo's lock. Says whether there was anything to delete.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete(&self, account_id: i64, deletion: Deletion) -> Result<bool, StoreError> {
        let now = self.0.clock.now_micros();
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                if deletion == Deletion::Due && !is_due(tx.connection(), account_id, now).await? {
                    return Ok(false);
                }
                match find_by_id(tx.connection(), account_id).await? {
                    Some(account) => delete(tx, &account, now).await.map(|()| true),
                    None => Ok(false),
                }
            })
        });
        done.await
    }

    /// Accounts whose owners switched them off with a date that has passed; some, if there are many.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn due_for_deletion(&self) -> Result<Vec<Account>, StoreError> {
        let sql = concat!(
            "SELECT ",
            super::status::account_columns!(),
            " FROM account a WHERE a.delete_after <= $1 AND a.deactivated_at IS NOT NULL ORDER BY a.delete_after LIMIT $2"
        );
        let rows = sqlx::query(sql)
            .bind(self.0.clock.now_micros())
            .bind(BATCH)
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter().map(Account::from_row).collect()
    }

    /// Deleted accounts that have left something behind; some, if there are many.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn remains(&self) -> Result<Vec<Remains>, StoreError> {
        let rows = sqlx::query("SELECT repo_id, did, event FROM deleted_account ORDER BY event LIMIT $1")
            .bind(BATCH)
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        let damaged = || StoreError::Damaged("DID of a deleted account".to_owned());
        rows.iter()
            .map(|row| {
                Ok(Remains {
                    repo_id: row.try_get(0)?,
                    did: row.try_get::<&str, _>(1)?.parse().map_err(|_| damaged())?,
                    event: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// How many deleted accounts have left something behind.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count_remains(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM deleted_account")
            .fetch_one(&mut *self.0.store.read().await?)
            .await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// Notes that nothing is left of a deleted account. If its repo is the newest, the row stays until the next run that finds a newer
    /// one: no number is given out twice, so that no request which still knows the old account can reach a new one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_remains(&self, repo_id: i64) -> Result<(), StoreError> {
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("DELETE FROM repo WHERE repo_id = $1 AND repo_id < (SELECT max(repo_id) FROM repo)")
                    .bind(repo_id)
                    .execute(&mut *tx.connection())
                    .await?;
                sqlx::query(
                    "DELETE FROM deleted_account WHERE repo_id = $1 \
                     AND NOT EXISTS (SELECT 1 FROM repo WHERE repo_id = $1)",
                )
                .bind(repo_id)
                .execute(tx.connection())
                .await?;
                Ok(())
            })
        });
        done.await
    }
}

async fn is_due(connection: &mut SqliteConnection, account_id: i64, now: i64) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM account WHERE account_id = $1 AND delete_after <= $2 AND deactivated_at IS NOT NULL",
    )
    .bind(account_id)
    .bind(now)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

async fn delete(tx: &mut Tx<'_>, account: &Account, now: i64) -> Result<(), StoreError> {
    let event = account_event(&account.did, Some(frame::AccountStatus::Deleted));
    let event = tx.emit(account.account_id, account.repo_id, &event).await?;
    // Sessions, app passwords and codes go with it.
    sqlx::query("DELETE FROM account WHERE account_id = $1")
        .bind(account.account_id)
        .execute(tx.connection())
        .await?;
    keep_back(tx.connection(), account, now).await?;
    sqlx::query("DELETE FROM signing_key WHERE did = $1")
        .bind(account.did.as_str())
        .execute(tx.connection())
        .await?;
    sqlx::query("INSERT INTO deleted_account (repo_id, did, event) VALUES ($1, $2, $3)")
        .bind(account.repo_id)
        .bind(account.did.as_str())
        .bind(event)
        .execute(tx.connection())
        .await?;
    Ok(())
}
