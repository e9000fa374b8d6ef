//! Logging in with a password.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::password::{self, PasswordError, Verdict};
use super::token::Scope;
use super::{AccountStatus, Accounts, Session};
use crate::store::StoreError;

/// Logging in takes at least this long, whatever comes of it, so that its time says nothing.
const FLOOR: Duration = Duration::from_millis(350);

/// The longest identifier that is looked up, in bytes; no DID, handle or e-mail address here is longer.
const MAX_IDENTIFIER: usize = 2_048;

/// Credentials.
#[derive(Clone)]
pub struct Login {
    /// A handle, DID or e-mail address, in any case.
    pub identifier: String,
    /// The password.
    pub password: String,
    /// Whether a session is wanted even if the account is taken down; it is good for little.
    pub allow_takendown: bool,
}

/// Why somebody cannot log in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such account, or that is not its password: which of the two is nobody's business.
    #[error("Invalid identifier or password")]
    Wrong,
    /// No password is that long.
    #[error("Password too long. Consider resetting your password.")]
    TooLong,
    /// The account is taken down.
    #[error("Account has been taken down")]
    TakenDown,
    /// The password cannot be checked now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Opens a session for somebody who knows an account's password.
    ///
    /// # Errors
    /// If there is no such account or the password is wrong, in the same words and after the same time.
    pub async fn log_in(&self, login: Login) -> Result<Session, LoginError> {
        let start = self.0.clock.now_micros();
        let outcome = self.try_log_in(login).await;
        let taken = Duration::from_micros(self.0.clock.now_micros().saturating_sub(start).try_into().unwrap_or(0));
        if let Some(rest) = FLOOR.checked_sub(taken) {
            self.0.clock.sleep(rest).await;
        }
        outcome
    }

    async fn try_log_in(&self, login: Login) -> Result<Session, LoginError> {
        if !password::can_be_tried(&login.password) {
            return Err(LoginError::TooLong);
        }
        let found = if login.identifier.len() <= MAX_IDENTIFIER {
            self.find_login(&login.identifier).await?
        } else {
            None
        };
        let (account, hash) = found.unzip();
        let hash = hash.flatten();
        let verdict = self.0.passwords.verify(&login.password, hash.clone()).await?;
        let Some(account) = account.filter(|_| verdict != Verdict::Wrong) else {
            return Err(LoginError::Wrong);
        };
        let scope = match account.status {
            AccountStatus::TakenDown if login.allow_takendown => Scope::Takendown,
            AccountStatus::TakenDown => return Err(LoginError::TakenDown),
            AccountStatus::Active | AccountStatus::Deactivated => Scope::Access,
        };
        let new_hash = match (verdict, hash) {
            (Verdict::RightButOutdated, Some(old)) => Some((old, self.0.passwords.hash(&login.password).await?)),
            _ => None,
        };
        let session = self.new_session(scope);
        let account_id = account.account_id;
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                if let Some((old, new)) = new_hash {
                    replace_hash(tx.connection(), account_id, &old, &new).await?;
                }
                session.insert(tx.connection(), account_id).await?;
                Ok::<_, StoreError>(session)
            })
        });
        let session = stored.await?;
        Ok(self.open_session(account, &session))
    }
}

/// Replaces a hash unless the password was changed meanwhile.
async fn replace_hash(
    connection: &mut SqliteConnection,
    account_id: i64,
    old: &str,
    new: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET password_hash = $1 WHERE account_id = $2 AND password_hash = $3")
        .bind(new)
        .bind(account_id)
        .bind(old)
        .execute(connection)
        .await?;
    Ok(())
}
