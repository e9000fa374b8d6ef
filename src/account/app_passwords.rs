//! App passwords: made by the server, for clients that should not have the account's own password, and revoked one by one.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::{Row as _, SqliteConnection};

use super::Accounts;
use super::sessions::cut_off_tokens;
use crate::random;
use crate::session_scope::SessionScope;
use crate::store::{Row, StoreError};

/// The most app passwords of one account.
const MAX_APP_PASSWORDS: i64 = 200;
/// The longest name, in bytes.
const MAX_NAME: usize = 512;
/// Digits of base32 in each of an app password's four groups: 80 random bits together.
const GROUP: usize = 4;
const GROUPS: usize = 4;
const SALT_BYTES: usize = 16;

/// What an app password gives access to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// What most clients need.
    Ordinary,
    /// Direct messages too.
    Privileged,
}

/// An app password, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// What its owner calls it; one of each name.
    pub name: String,
    /// What it gives access to.
    pub privilege: Privilege,
    /// When it was made, µs since 1970.
    pub created_at: i64,
}

/// Why an app password is not made.
#[derive(Debug, thiserror::Error)]
pub enum AppPasswordError {
    /// The account has one of that name.
    #[error("An app password with that name already exists")]
    NameTaken,
    /// The name is too long.
    #[error("The name of an app password is at most {MAX_NAME} bytes long")]
    NameTooLong,
    /// The account has too many.
    #[error("An account has at most {MAX_APP_PASSWORDS} app passwords; revoke one first")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppPassword {
    /// The scope of its sessions.
    pub(super) fn scope(&self) -> SessionScope {
        match self.privilege {
            Privilege::Ordinary => SessionScope::AppPass,
            Privilege::Privileged => SessionScope::AppPassPrivileged,
        }
    }

    fn from_row(row: &Row) -> Result<AppPassword, StoreError> {
        Ok(AppPassword {
            name: row.try_get(0)?,
            privilege: match row.try_get::<i64, _>(1)? {
                0 => Privilege::Ordinary,
                _ => Privilege::Privileged,
            },
            created_at: row.try_get(2)?,
        })
    }
}

impl Accounts {
    /// Makes an app password. Returns it with its secret, `xxxx-xxxx-xxxx-xxxx`, which can never be had again.
    ///
    /// # Errors
    /// If the name is taken or too long, or the account has too many.
    pub async fn create_app_password(
        &self,
        account_id: i64,
        name: String,
        privilege: Privilege,
    ) -> Result<(AppPassword, String), AppPasswordError> {
        if name.len() > MAX_NAME {
            return Err(AppPasswordError::NameTooLong);
        }
        let random = &*self.0.random;
        let secret = [(); GROUPS].map(|()| random::base32::<GROUP>(random)).join("-");
        let hash = keyed_hash(&random::bytes(random), &secret);
        let created = AppPassword {
            name,
            privilege,
            created_at: self.0.clock.now_micros(),
        };
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                insert(tx.connection(), account_id, &created, &hash).await?;
                Ok::<_, AppPasswordError>(created)
            })
        });
        Ok((stored.await?, secret))
    }

    /// The account's app passwords, the newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn app_passwords(&self, account_id: i64) -> Result<Vec<AppPassword>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, privileged, created_at FROM app_password WHERE account_id = $1 ORDER BY created_at DESC, name",
        )
        .bind(account_id)
        .fetch_all(&mut *self.0.store.read().await?)
        .await?;
        rows.iter().map(AppPassword::from_row).collect()
    }

    /// Revokes an app password: its sessions end with all their tokens. That there is none of that name is no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_app_password(&self, account_id: i64, name: String) -> Result<(), StoreError> {
        let now = self.0.clock.now_micros();
        let revoked = self
            .0
            .store
            .change(move |tx| Box::pin(async move { remove(tx.connection(), account_id, &name, now).await }));
        revoked.await
    }

    /// The app password that a secret is, if it is one of the account's.
    pub(super) async fn find_app_password(
        &self,
        account_id: i64,
        secret: &str,
    ) -> Result<Option<AppPassword>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, privileged, created_at, keyed_hash FROM app_password WHERE account_id = $1 LIMIT $2",
        )
        .bind(account_id)
        .bind(MAX_APP_PASSWORDS)
        .fetch_all(&mut *self.0.store.read().await?)
        .await?;
        for row in &rows {
            if is_of(row.try_get(3)?, secret) {
                return AppPassword::from_row(row).map(Some);
            }
        }
        Ok(None)
    }
}

/// Whether the app password that somebody logs in with is still there.
pub(super) async fn is_live(
    connection: &mut SqliteConnection,
    account_id: i64,
    password: &AppPassword,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM app_password WHERE account_id = $1 AND name = $2 AND created_at = $3")
        .bind(account_id)
        .bind(&password.name)
        .bind(password.created_at)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

async fn insert(
    connection: &mut SqliteConnection,
    account_id: i64,
    password: &AppPassword,
    hash: &[u8],
) -> Result<(), AppPasswordError> {
    let count: i64 = sqlx::query("SELECT count(*) FROM app_password WHERE account_id = $1")
        .bind(account_id)
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(StoreError::from)?;
    if count >= MAX_APP_PASSWORDS {
        return Err(AppPasswordError::TooMany);
    }
    let inserted = sqlx::query(
        "INSERT INTO app_password (account_id, name, keyed_hash, privileged, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (account_id, name) DO NOTHING",
    )
    .bind(account_id)
    .bind(&password.name)
    .bind(hash)
    .bind(i64::from(password.privilege == Privilege::Privileged))
    .bind(password.created_at)
    .execute(connection)
    .await
    .map_err(StoreError::from)?;
    match inserted.rows_affected() {
        0 => Err(AppPasswordError::NameTaken),
        _ => Ok(()),
    }
}

async fn remove(connection: &mut SqliteConnection, account_id: i64, name: &str, now: i64) -> Result<(), StoreError> {
    let removed = sqlx::query("DELETE FROM app_password WHERE account_id = $1 AND name = $2")
        .bind(account_id)
        .bind(name)
        .execute(&mut *connection)
        .await?;
    if removed.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("DELETE FROM session WHERE account_id = $1 AND app_password_name = $2")
        .bind(account_id)
        .bind(name)
        .execute(&mut *connection)
        .await?;
    // Access tokens without a session do not say which password they came from.
    cut_off_tokens(connection, account_id, now).await
}

fn mac(salt: &[u8], secret: &str) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("a key");
    mac.update(secret.as_bytes());
    mac
}

/// Salt and HMAC.
fn keyed_hash(salt: &[u8; SALT_BYTES], secret: &str) -> Vec<u8> {
    [&salt[..], &mac(salt, secret).finalize().into_bytes()].concat()
}

fn is_of(keyed_hash: &[u8], secret: &str) -> bool {
    keyed_hash
        .split_at_checked(SALT_BYTES)
        .is_some_and(|(salt, expected)| mac(salt, secret).verify_slice(expected).is_ok())
}
