//! Changing an account's e-mail address and password.

use sqlx::SqliteConnection;

use super::login_attempts::LoginAttempt;
use super::password::{self, PasswordError, Verdict};
use super::pending::is_email_taken;
use super::sessions::end_all_sessions;
use super::{Account, Accounts, DeletionError, EmailRefused, EmailTokenError, Origin, email};
use crate::store::StoreError;

/// Why an e-mail address is not changed.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// It is none that can be had here.
    #[error(transparent)]
    Refused(#[from] EmailRefused),
    /// Somebody has it.
    #[error("This email address is already in use, please use a different email.")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum NewPasswordError {
    /// There is nothing in it.
    #[error("Password too short.")]
    Empty,
    /// It is too long.
    #[error("Invalid password length.")]
    TooLong,
    /// It cannot be hashed now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Gives an account another e-mail address, which is not confirmed yet. Codes mailed to the old one are good for nothing any more.
    ///
    /// # Errors
    /// Why not.
    pub async fn set_email(&self, account_id: i64, address: String) -> Result<(), EmailError> {
        let address = email::accept(&address)?;
        let done = self
            .0
            .store
            .change(move |tx| Box::pin(async move { store_email(tx.connection(), account_id, &address).await }));
        done.await
    }

    /// Gives an account another password and ends its sessions.
    ///
    /// # Errors
    /// Why not.
    pub async fn set_password(&self, account_id: i64, password: &str) -> Result<(), NewPasswordError> {
        let hash = self.hash_new_password(password).await?;
        let now = self.0.clock.now_micros();
        let done = self
            .0
            .store
            .change(move |tx| Box::pin(async move { store_password(tx.connection(), account_id, &hash, now).await }));
        Ok(done.await?)
    }

    /// Ends an account's sessions, password and app passwords. Its owner can reset the password.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_credentials(&self, account_id: i64) -> Result<(), StoreError> {
        let now = self.0.clock.now_micros();
        let removed = self
            .0
            .store
            .change(move |tx| Box::pin(remove_credentials(tx.connection(), account_id, now)));
        removed.await
    }

    /// Whether a password is the account's own. Who guesses waits, as at a login.
    pub(super) async fn knows_password(
        &self,
        account: &Account,
        password: &str,
        from: Origin,
    ) -> Result<bool, DeletionError> {
        if !password::can_be_tried(password) {
            return Ok(false);
        }
        let attempt = LoginAttempt {
            identifier: account.did.as_str(),
            account: Some(&account.did),
            from,
        };
        self.0.login_attempts.begin(attempt).await?;
        // After the wait: the password may have been changed meanwhile.
        let found = self
            .find_login(attempt.identifier)
            .await
            .map_err(EmailTokenError::from)?;
        let hash = found.and_then(|(_, hash)| hash);
        let is_right = self.0.passwords.verify(password, hash).await? != Verdict::Wrong;
        if is_right {
            self.0.login_attempts.was_right(attempt);
        }
        Ok(is_right)
    }

    pub(super) async fn hash_new_password(&self, password: &str) -> Result<String, NewPasswordError> {
        if password.is_empty() {
            return Err(NewPasswordError::Empty);
        }
        if !password::can_be_chosen(password) {
            return Err(NewPasswordError::TooLong);
        }
        Ok(self.0.passwords.hash(password).await?)
    }
}

/// Without a confirmed address no code can be mailed at login, so that is switched off too.
pub(super) async fn store_email(
    connection: &mut SqliteConnection,
    account_id: i64,
    address: &str,
) -> Result<(), EmailError> {
    let key = email::key(address);
    if is_email_taken(connection, &key, account_id).await? {
        return Err(EmailError::Taken);
    }
    sqlx::query(
        "UPDATE account SET email = $1, email_key = $2, email_confirmed_at = NULL, email_factor = 0 WHERE account_id = $3",
    )
    .bind(address)
    .bind(key)
    .bind(account_id)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::from)?;
    sqlx::query("DELETE FROM email_token WHERE account_id = $1")
        .bind(account_id)
        .execute(connection)
        .await
        .map_err(StoreError::from)?;
    Ok(())
}

/// Takes an account's password and app passwords away and ends its sessions. `now` in µs since 1970.
async fn remove_credentials(connection: &mut SqliteConnection, account_id: i64, now: i64) -> Result<(), StoreError> {
    for sql in [
        "UPDATE account SET password_hash = NULL WHERE account_id = $1",
        "DELETE FROM app_password WHERE account_id = $1",
    ] {
        sqlx::query(sql).bind(account_id).execute(&mut *connection).await?;
    }
    end_all_sessions(connection, account_id, now).await
}

/// Replaces the password's hash and ends all sessions.
pub(super) async fn store_password(
    connection: &mut SqliteConnection,
    account_id: i64,
    hash: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET password_hash = $1 WHERE account_id = $2")
        .bind(hash)
        .bind(account_id)
        .execute(&mut *connection)
        .await?;
    end_all_sessions(connection, account_id, now).await
}
