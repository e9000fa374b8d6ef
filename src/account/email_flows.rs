//! Confirming and changing the e-mail address, and choosing a new password, with mailed codes.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::credentials::{store_email, store_password};
use super::email_token::{self, EmailTokenError, EmailTokenHash};
use super::lookup::find_by_id;
use super::{Account, Accounts, EmailError, EmailFactor, NewPasswordError, email, second_factor};
use crate::mail::{Code, Language};
use crate::store::StoreError;

/// Asking for a password reset takes at least this long, whether there is an account or not.
const RESET_FLOOR: Duration = Duration::from_millis(350);

/// Why an e-mail address is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailError {
    /// It is not the account's.
    #[error("invalid email")]
    OtherEmail,
    /// The code is not good.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
}

/// Why an e-mail address is not changed by its owner.
#[derive(Debug, thiserror::Error)]
pub enum UpdateEmailError {
    /// A code is needed, because the present address is confirmed.
    #[error("confirmation token required")]
    TokenRequired,
    /// An address that is not confirmed cannot be a second factor.
    #[error("Confirm your email address before you use it as a second factor")]
    NotConfirmed,
    /// Without mail there is no second factor.
    #[error("This server sends no mail, so there is no second factor by email")]
    NoMail,
    /// The code is not good.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// The address is not good.
    #[error(transparent)]
    Email(#[from] EmailError),
}

/// Why a password is not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The code is not good.
    #[error(transparent)]
    Token(#[from] EmailTokenError),
    /// The password is not good.
    #[error(transparent)]
    Password(#[from] NewPasswordError),
}

/// What an owner wants to change.
#[derive(Clone, Debug)]
pub struct EmailUpdate {
    /// The address, the present one or another.
    pub address: String,
    /// What becomes of the second factor, if anything.
    pub factor: Option<EmailFactor>,
    /// The mailed code.
    pub token: Option<String>,
}

impl From<StoreError> for UpdateEmailError {
    fn from(error: StoreError) -> Self {
        UpdateEmailError::Email(error.into())
    }
}

impl Accounts {
    /// Notes that an address is the account's, as the code proves.
    ///
    /// # Errors
    /// If it is another one's address, or the code is not good.
    pub async fn confirm_email(&self, account: &Account, address: &str, token: &str) -> Result<(), ConfirmEmailError> {
        if email::key(address) != email::key(&account.email) {
            return Err(ConfirmEmailError::OtherEmail);
        }
        let (hash, now) = (
            self.0.email_tokens.hash(Code::ConfirmEmail, token),
            self.0.clock.now_micros(),
        );
        let account_id = account.account_id;
        let confirmed = self.0.store.change(move |tx| {
            Box::pin(async move { Ok::<_, StoreError>(confirm(tx.connection(), account_id, &hash, now).await) })
        });
        Ok(confirmed.await.map_err(EmailTokenError::from)??)
    }

    /// As [`Accounts::confirm_email`] for somebody who has nothing but the code.
    ///
    /// # Errors
    /// If the code is not good.
    pub async fn confirm_email_by_code(&self, token: &str) -> Result<(), EmailTokenError> {
        let (hash, now) = (
            self.0.email_tokens.hash(Code::ConfirmEmail, token),
            self.0.clock.now_micros(),
        );
        let confirmed = self.0.store.change(move |tx| {
            Box::pin(async move {
                let connection = tx.connection();
                Ok::<_, StoreError>(match email_token::find_owner(connection, &hash).await? {
                    Some(account_id) => confirm(connection, account_id, &hash, now).await,
                    None => Err(EmailTokenError::Invalid),
                })
            })
        });
        confirmed.await?
    }

    /// Gives the account another address, a confirmed one only with the code that was mailed to it; or switches the second factor.
    ///
    /// # Errors
    /// Why not. The code stays good unless the address was changed.
    pub async fn update_email(&self, account: &Account, mut change: EmailUpdate) -> Result<(), UpdateEmailError> {
        change.address = email::accept(&change.address).map_err(EmailError::from)?;
        if change.factor == Some(EmailFactor::On) && !self.0.mail.reaches_users() {
            return Err(UpdateEmailError::NoMail);
        }
        let hash = change.token.as_deref();
        let hash = hash.map(|token| self.0.email_tokens.hash(Code::UpdateEmail, token));
        let (account_id, now) = (account.account_id, self.0.clock.now_micros());
        let updated = self.0.store.change(move |tx| {
            Box::pin(async move {
                let updated = update(tx.connection(), account_id, &change, hash.as_ref(), now).await;
                Ok::<_, StoreError>(updated)
            })
        });
        updated.await?
    }

    /// Mails a code for choosing a new password to an address, if an account has it. Nobody can tell whether one has.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn request_password_reset(&self, address: &str, language: Language) -> Result<(), StoreError> {
        self.take_at_least(RESET_FLOOR, async {
            match self.find_email(address).await? {
                Some(account) => self.mail_code_sparingly(&account, Code::ResetPassword, language).await,
                None => Ok(()),
            }
        })
        .await
    }

    /// Gives the account of a code another password and ends its sessions.
    ///
    /// # Errors
    /// Why not. The code stays good unless the password was changed.
    pub async fn reset_password(&self, token: &str, password: &str) -> Result<(), ResetPasswordError> {
        let typed = self.0.email_tokens.hash(Code::ResetPassword, token);
        // A made-up code must not cost the hashing of a password.
        let mut reader = self.0.store.read().await.map_err(EmailTokenError::from)?;
        let owner = email_token::find_owner(&mut reader, &typed).await;
        drop(reader);
        let account_id = owner.map_err(EmailTokenError::from)?.ok_or(EmailTokenError::Invalid)?;
        let hash = self.hash_new_password(password).await?;
        let now = self.0.clock.now_micros();
        let reset = self.0.store.change(move |tx| {
            Box::pin(async move {
                let connection = tx.connection();
                if let Err(error) = email_token::spend(connection, account_id, &typed, now).await {
                    return Ok(Err(error));
                }
                store_password(connection, account_id, &hash, now).await?;
                Ok::<_, StoreError>(Ok(()))
            })
        });
        Ok(reset.await.map_err(EmailTokenError::from)??)
    }
}

async fn confirm(
    connection: &mut SqliteConnection,
    account_id: i64,
    typed: &EmailTokenHash,
    now: i64,
) -> Result<(), EmailTokenError> {
    email_token::spend(connection, account_id, typed, now).await?;
    sqlx::query("UPDATE account SET email_confirmed_at = $1 WHERE account_id = $2")
        .bind(now)
        .bind(account_id)
        .execute(connection)
        .await
        .map_err(StoreError::from)?;
    Ok(())
}

/// Whether a code is needed is decided by what holds now, not by what held when the request came.
async fn update(
    connection: &mut SqliteConnection,
    account_id: i64,
    change: &EmailUpdate,
    typed: Option<&EmailTokenHash>,
    now: i64,
) -> Result<(), UpdateEmailError> {
    let account = find_by_id(connection, account_id).await?;
    let keeps = |account: &Account| email::key(&account.email) == email::key(&change.address);
    match (&account, change.factor) {
        (Some(account), Some(factor)) if keeps(account) => {
            return second_factor::switch(connection, account, factor, typed, now).await;
        }
        (_, Some(EmailFactor::On)) => return Err(UpdateEmailError::NotConfirmed),
        (_, Some(EmailFactor::Off) | None) => {}
    }
    match typed {
        Some(typed) => email_token::check(connection, account_id, typed, now).await?,
        None if account.is_some_and(|account| account.email_confirmed) => return Err(UpdateEmailError::TokenRequired),
        None => {}
    }
    Ok(store_email(connection, account_id, &change.address).await?)
}
