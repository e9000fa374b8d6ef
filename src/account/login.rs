//! Logging in with a password or an app password.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::login_attempts::LoginAttempt;
use super::password::{self, PasswordError, Verdict};
use super::token::Scope;
use super::{Account, AccountStatus, Accounts, AppPassword, Session, app_passwords};
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
    /// The client's address, if it is known.
    pub from: Option<IpAddr>,
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
    /// Opens a session for somebody who knows an account's password or one of its app passwords.
    ///
    /// # Errors
    /// If there is no such account or the password is wrong, in the same words and after the same time.
    pub async fn log_in(&self, login: Login) -> Result<Session, LoginError> {
        self.take_at_least(FLOOR, self.try_log_in(login)).await
    }

    /// Does something in no less than a time, so that its time says nothing of what was found.
    pub(super) async fn take_at_least<T>(&self, floor: Duration, work: impl Future<Output = T>) -> T {
        let start = self.0.clock.now_micros();
        let outcome = work.await;
        let taken = Duration::from_micros(self.0.clock.now_micros().saturating_sub(start).try_into().unwrap_or(0));
        if let Some(rest) = floor.checked_sub(taken) {
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
        let attempt = LoginAttempt {
            account: account
                .as_ref()
                .map_or(&login.identifier, |account| account.did.as_str()),
            from: login.from,
        };
        if let Some(attempts) = &self.0.login_attempts {
            attempts.begin(attempt).await;
        }
        let proof = self.prove(&login.password, account.as_ref(), hash.flatten()).await?;
        if let Some(attempts) = self.0.login_attempts.as_ref().filter(|_| proof.is_some()) {
            attempts.was_right(attempt);
        }
        let (Some(account), Some(proof)) = (account, proof) else {
            return Err(LoginError::Wrong);
        };
        let session = match (&proof, account.status) {
            (Proof::AppPassword(password), _) => self.new_session_of(password),
            (_, AccountStatus::TakenDown) if login.allow_takendown => self.new_session(Scope::Takendown),
            (_, AccountStatus::TakenDown) => return Err(LoginError::TakenDown),
            (_, AccountStatus::Active | AccountStatus::Deactivated) => self.new_session(Scope::Access),
        };
        let account_id = account.account_id;
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                proof.confirm(tx.connection(), account_id).await?;
                session.insert(tx.connection(), account_id).await?;
                Ok::<_, LoginError>(session)
            })
        });
        let session = stored.await?;
        Ok(self.open_session(account, &session))
    }

    /// What a password proves, if it is the account's or one of its app passwords. Costs the same whether there is an account or not.
    async fn prove(
        &self,
        password: &str,
        account: Option<&Account>,
        hash: Option<String>,
    ) -> Result<Option<Proof>, LoginError> {
        // App passwords say nothing of who was taken down.
        if let Some(account) = account.filter(|account| account.status != AccountStatus::TakenDown)
            && let Some(found) = self.find_app_password(account.account_id, password).await?
        {
            return Ok(Some(Proof::AppPassword(found)));
        }
        match (self.0.passwords.verify(password, hash.clone()).await?, hash) {
            (Verdict::RightButOutdated, Some(old)) => Ok(Some(Proof::OutdatedPassword {
                old,
                new: self.0.passwords.hash(password).await?,
            })),
            (Verdict::Right | Verdict::RightButOutdated, _) => Ok(Some(Proof::Password)),
            (Verdict::Wrong, _) => Ok(None),
        }
    }
}

/// What somebody who logs in has proven to know.
enum Proof {
    /// The account's password.
    Password,
    /// The account's password, whose hash is to be replaced.
    OutdatedPassword { old: String, new: String },
    /// An app password.
    AppPassword(AppPassword),
}

impl Proof {
    /// Makes sure that the proof still holds when the session begins, and brings an outdated hash up to date.
    async fn confirm(&self, connection: &mut SqliteConnection, account_id: i64) -> Result<(), LoginError> {
        match self {
            Proof::Password => Ok(()),
            Proof::OutdatedPassword { old, new } => Ok(replace_hash(connection, account_id, old, new).await?),
            Proof::AppPassword(password) if app_passwords::is_live(connection, account_id, password).await? => Ok(()),
            Proof::AppPassword(_) => Err(LoginError::Wrong),
        }
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
