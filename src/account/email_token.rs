//! Codes that are mailed: each is for one account and one purpose, good once and for 15 minutes.
//!
//! Only an HMAC of a code is kept, under a key derived from the server's secret: who reads the database learns no code, and a code that
//! comes without naming an account (`resetPassword`) is found by its HMAC.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::{Row as _, SqliteConnection};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Accounts, MICROS_PER_SECOND};
use crate::mail::Code;
use crate::random::{self, Random};
use crate::store::StoreError;

/// How long a code is good, in µs.
pub(super) const LIFETIME: i64 = 15 * 60 * MICROS_PER_SECOND;
/// Wrong tries that end a code.
const MAX_WRONG_TRIES: i64 = 5;
/// Letters in each of a code's two parts: 50 bits in all. The Bluesky app takes nothing else.
const PART: usize = 5;
/// The longest text that is looked at as a code, in bytes.
const MAX_TEXT: usize = 64;
/// What the key is derived for.
const KEY_PURPOSE: &[u8] = b"pds email token key v1";

/// Why a code is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EmailTokenError {
    /// It is another one, or none was asked for.
    #[error("Token is invalid")]
    Invalid,
    /// Its time is over.
    #[error("Token is expired")]
    Expired,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes and recognises codes.
pub(super) struct EmailTokens {
    key: Zeroizing<[u8; 32]>,
}

/// What the database keeps of a code.
#[derive(Clone, Debug)]
pub(super) struct EmailTokenHash {
    pub(super) purpose: &'static str,
    pub(super) hash: [u8; 32],
}

/// How the database names purposes.
fn purpose(code: Code) -> &'static str {
    match code {
        Code::ConfirmEmail => "confirm_email",
        Code::UpdateEmail => "update_email",
        Code::ResetPassword => "reset_password",
        Code::DeleteAccount => "delete_account",
        Code::PlcOperation => "plc_operation",
        Code::LogIn => "log_in",
    }
}

impl EmailTokens {
    pub(super) fn new(secret: &str) -> EmailTokens {
        EmailTokens {
            key: Zeroizing::new(hmac(secret.as_bytes(), &[KEY_PURPOSE])),
        }
    }

    /// A new code, such as `ABCDE-23456`.
    pub(super) fn generate(random: &dyn Random) -> String {
        let [first, second] = [(); 2].map(|()| random::base32::<PART>(random));
        format!("{first}-{second}").to_ascii_uppercase()
    }

    /// What would be kept of a code that somebody typed, in any case.
    pub(super) fn hash(&self, code: Code, text: &str) -> EmailTokenHash {
        let text = text.trim();
        let known = if text.len() <= MAX_TEXT { text } else { "" };
        let purpose = purpose(code);
        let typed = known.to_ascii_uppercase();
        EmailTokenHash {
            purpose,
            hash: hmac(&*self.key, &[purpose.as_bytes(), b"\0", typed.as_bytes()]),
        }
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes any key")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl Accounts {
    /// Whether a code is the one that was mailed to the account. It stays good; a wrong one is counted.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub async fn check_code(&self, account_id: i64, code: Code, text: &str) -> Result<(), EmailTokenError> {
        let (hash, now) = (self.0.email_tokens.hash(code, text), self.0.clock.now_micros());
        let checked = self.0.store.change(move |tx| {
            Box::pin(async move { Ok::<_, StoreError>(check(tx.connection(), account_id, &hash, now).await) })
        });
        checked.await?
    }

    /// As [`Accounts::check_code`], and ends the code.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub async fn spend_code(&self, account_id: i64, code: Code, text: &str) -> Result<(), EmailTokenError> {
        let (hash, now) = (self.0.email_tokens.hash(code, text), self.0.clock.now_micros());
        let spent = self.0.store.change(move |tx| {
            Box::pin(async move { Ok::<_, StoreError>(spend(tx.connection(), account_id, &hash, now).await) })
        });
        spent.await?
    }
}

/// Whether a code is the account's. A wrong one is counted, and the code is good no more when there were too many: the caller must not
/// roll back. All checks are made by the one writer, so tries at the same time are counted one after the other.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    account_id: i64,
    typed: &EmailTokenHash,
    now: i64,
) -> Result<(), EmailTokenError> {
    let row = sqlx::query(
        "SELECT keyed_hash, requested_at, wrong_tries FROM email_token WHERE account_id = $1 AND purpose = $2",
    )
    .bind(account_id)
    .bind(typed.purpose)
    .fetch_optional(&mut *connection)
    .await
    .map_err(StoreError::from)?;
    let Some(row) = row else {
        return Err(EmailTokenError::Invalid);
    };
    let wrong_tries: i64 = row.try_get(2).map_err(StoreError::from)?;
    if wrong_tries >= MAX_WRONG_TRIES {
        return Err(EmailTokenError::Invalid);
    }
    let hash: &[u8] = row.try_get(0).map_err(StoreError::from)?;
    if !bool::from(hash.ct_eq(&typed.hash)) {
        note_wrong_try(connection, account_id, typed.purpose).await?;
        return Err(EmailTokenError::Invalid);
    }
    let requested_at: i64 = row.try_get(1).map_err(StoreError::from)?;
    if requested_at.saturating_add(LIFETIME) <= now {
        return Err(EmailTokenError::Expired);
    }
    Ok(())
}

/// As [`check`], and ends the code.
pub(super) async fn spend(
    connection: &mut SqliteConnection,
    account_id: i64,
    typed: &EmailTokenHash,
    now: i64,
) -> Result<(), EmailTokenError> {
    check(connection, account_id, typed, now).await?;
    Ok(end(connection, account_id, typed.purpose).await?)
}

/// Whose code it is.
pub(super) async fn find_owner(
    connection: &mut SqliteConnection,
    typed: &EmailTokenHash,
) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query("SELECT account_id FROM email_token WHERE purpose = $1 AND keyed_hash = $2")
        .bind(typed.purpose)
        .bind(&typed.hash[..])
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn note_wrong_try(
    connection: &mut SqliteConnection,
    account_id: i64,
    purpose: &'static str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE email_token SET wrong_tries = wrong_tries + 1 WHERE account_id = $1 AND purpose = $2")
        .bind(account_id)
        .bind(purpose)
        .execute(connection)
        .await?;
    Ok(())
}

async fn end(connection: &mut SqliteConnection, account_id: i64, purpose: &'static str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM email_token WHERE account_id = $1 AND purpose = $2")
        .bind(account_id)
        .bind(purpose)
        .execute(connection)
        .await?;
    Ok(())
}
