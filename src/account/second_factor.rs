//! The second factor: a code that is mailed to whoever logs in with the account's own password. App passwords do without.

use sqlx::SqliteConnection;

use super::email_token::{self, EmailTokenHash};
use super::{Account, Accounts, UpdateEmailError};
use crate::store::StoreError;

/// What becomes of the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailFactor {
    /// Logging in needs a mailed code from now on.
    On,
    /// It does not any more.
    Off,
}

impl Accounts {
    /// Lets somebody log in without a mailed code who cannot get one any more.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn clear_email_factor(&self, account_id: i64) -> Result<(), StoreError> {
        let cleared = self
            .0
            .store
            .change(move |tx| Box::pin(async move { store(tx.connection(), account_id, EmailFactor::Off).await }));
        cleared.await
    }
}

/// Switches the factor of an account that keeps its address: on for one that is confirmed, off with a mailed code.
pub(super) async fn switch(
    connection: &mut SqliteConnection,
    account: &Account,
    factor: EmailFactor,
    typed: Option<&EmailTokenHash>,
    now: i64,
) -> Result<(), UpdateEmailError> {
    match factor {
        EmailFactor::On if !account.email_confirmed => return Err(UpdateEmailError::NotConfirmed),
        EmailFactor::Off if !account.email_factor => return Ok(()),
        EmailFactor::On => {}
        EmailFactor::Off => {
            let typed = typed.ok_or(UpdateEmailError::TokenRequired)?;
            email_token::spend(connection, account.account_id, typed, now).await?;
        }
    }
    Ok(store(connection, account.account_id, factor).await?)
}

async fn store(connection: &mut SqliteConnection, account_id: i64, factor: EmailFactor) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET email_factor = $1 WHERE account_id = $2")
        .bind(i64::from(factor == EmailFactor::On))
        .bind(account_id)
        .execute(connection)
        .await?;
    Ok(())
}
