//! Codes that are mailed: each is for one account and one purpose, good once and for 15 minutes.
//!
//! Only an HMAC of a code is kept, under a key derived from the server's secret: who reads the database learns no code, and a code that
//! comes without naming an account (`resetPassword`) is found by its HMAC.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::{Row as _, SqliteConnection};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Account, Accounts, MICROS_PER_SECOND};
use crate::mail::{Code, Language, MailKind, OutgoingMail};
use crate::random::{self, Random};
use crate::store::StoreError;

/// How long a code is good, in µs.
const LIFETIME: i64 = 15 * 60 * MICROS_PER_SECOND;
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
    purpose: &'static str,
    hash: [u8; 32],
}

/// A code that was made and the letter that brings it.
pub(super) struct IssuedToken {
    hash: EmailTokenHash,
    /// µs since 1970.
    requested_at: i64,
    /// The address that the account has: a code for an address that it had is good for nothing.
    email: String,
    mail: Option<OutgoingMail>,
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
    fn generate(random: &dyn Random) -> String {
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
    /// Mails a code to the account's address. An earlier one for the same purpose ends.
    ///
    /// # Errors
    /// If the database fails. A mail server that fails is tried again later.
    pub async fn mail_code(&self, account: &Account, code: Code, language: Language) -> Result<(), StoreError> {
        let (token, _) = self.issue_token(account, code, language);
        let account_id = account.account_id;
        let stored = self
            .0
            .store
            .change(move |tx| Box::pin(async move { token.insert(tx.connection(), account_id).await }));
        stored.await?;
        self.0.mail.ring();
        Ok(())
    }

    /// Makes a code as [`Accounts::mail_code`] does and gives it to the caller, who must be trusted, in place of the mail.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn issue_code(&self, account: &Account, code: Code) -> Result<String, StoreError> {
        let (token, text) = self.issue_token(account, code, Language::default());
        let token = IssuedToken { mail: None, ..token };
        let account_id = account.account_id;
        let stored = self
            .0
            .store
            .change(move |tx| Box::pin(async move { token.insert(tx.connection(), account_id).await }));
        stored.await?;
        Ok(text)
    }

    /// A new code with its letter, and the code itself.
    pub(super) fn issue_token(&self, account: &Account, code: Code, language: Language) -> (IssuedToken, String) {
        let now = self.0.clock.now_micros();
        let text = EmailTokens::generate(&*self.0.random);
        let (mail, handle) = (&self.0.mail, account.handle.as_str());
        let letter = code.letter(&account.email, handle, &text, language, mail.branding());
        let token = IssuedToken {
            hash: self.0.email_tokens.hash(code, &text),
            requested_at: now,
            email: account.email.clone(),
            mail: mail.prepare(MailKind::User, &letter, now + LIFETIME),
        };
        (token, text)
    }

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

impl IssuedToken {
    /// Keeps the code and puts its letter into the outbox, unless the account has another address by now.
    pub(super) async fn insert(&self, connection: &mut SqliteConnection, account_id: i64) -> Result<(), StoreError> {
        let kept = sqlx::query(
            "INSERT INTO email_token (account_id, purpose, keyed_hash, requested_at, wrong_tries) \
             SELECT account_id, $2, $3, $4, 0 FROM account WHERE account_id = $1 AND email = $5 \
             ON CONFLICT (account_id, purpose) DO UPDATE SET keyed_hash = excluded.keyed_hash, \
             requested_at = excluded.requested_at, wrong_tries = 0",
        )
        .bind(account_id)
        .bind(self.hash.purpose)
        .bind(&self.hash.hash[..])
        .bind(self.requested_at)
        .bind(&self.email)
        .execute(&mut *connection)
        .await?;
        match &self.mail {
            Some(mail) if kept.rows_affected() > 0 => mail.insert(connection).await,
            _ => Ok(()),
        }
    }
}

/// Whether a code is the account's. A wrong one is counted, and ends the code when there were too many: the caller must not roll back.
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
    let hash: &[u8] = row.try_get(0).map_err(StoreError::from)?;
    if !bool::from(hash.ct_eq(&typed.hash)) {
        let tries: i64 = row.try_get(2).map_err(StoreError::from)?;
        note_wrong_try(connection, account_id, typed.purpose, tries + 1).await?;
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

/// When the newest code of an account for a purpose was made, in µs since 1970, if it has not ended.
pub(super) async fn requested_at(
    connection: &mut SqliteConnection,
    account_id: i64,
    code: Code,
) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query("SELECT requested_at FROM email_token WHERE account_id = $1 AND purpose = $2")
        .bind(account_id)
        .bind(purpose(code))
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn note_wrong_try(
    connection: &mut SqliteConnection,
    account_id: i64,
    purpose: &'static str,
    tries: i64,
) -> Result<(), StoreError> {
    if tries >= MAX_WRONG_TRIES {
        return end(connection, account_id, purpose).await;
    }
    sqlx::query("UPDATE email_token SET wrong_tries = $1 WHERE account_id = $2 AND purpose = $3")
        .bind(tries)
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
