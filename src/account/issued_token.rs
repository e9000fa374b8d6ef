//! Making codes and mailing them, without flooding anybody.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection};

use super::email_token::{EmailTokenHash, EmailTokens, LIFETIME};
use super::{Account, Accounts, MICROS_PER_SECOND};
use crate::backoff::doubled;
use crate::mail::{Code, Language, MailKind, OutgoingMail};
use crate::store::StoreError;

/// How long after a letter that anybody may ask for the next one is sent; twice as long after each that leads to nothing, at most
/// as long as a code is good: so whoever asks has a good code in their letters, or gets one.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// After this time, in µs, letters that led to nothing are forgotten.
const FORGOTTEN_AFTER: i64 = 24 * 60 * 60 * MICROS_PER_SECOND;

/// Who may ask for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedBy {
    /// Only the account's owner, or the operator.
    Owner,
    /// Also others: they must not fill the owner's letter box, and not keep the owner from asking.
    Anybody,
}

/// A code that was made and the letter that brings it.
pub(super) struct IssuedToken {
    hash: EmailTokenHash,
    asked_by: AskedBy,
    /// µs since 1970.
    requested_at: i64,
    /// The address that the account has: a code for an address that it had is good for nothing.
    email: String,
    mail: Option<OutgoingMail>,
}

impl Accounts {
    /// Mails a code to the account's address. An earlier one for the same purpose ends.
    ///
    /// # Errors
    /// If the database fails. A mail server that fails is tried again later.
    pub async fn mail_code(&self, account: &Account, code: Code, language: Language) -> Result<(), StoreError> {
        let (token, _) = self.issue_token(account, code, language);
        self.store_token(account, token).await?;
        self.0.mail.ring();
        Ok(())
    }

    /// As [`Accounts::mail_code`] where others than the owner may ask too: does nothing if a code was mailed a moment ago.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn mail_code_sparingly(
        &self,
        account: &Account,
        code: Code,
        language: Language,
    ) -> Result<(), StoreError> {
        let (token, _) = self.issue_token(account, code, language);
        let asked_by = AskedBy::Anybody;
        self.store_token(account, IssuedToken { asked_by, ..token }).await?;
        self.0.mail.ring();
        Ok(())
    }

    /// Makes a code as [`Accounts::mail_code`] does and gives it to the caller, who must be trusted, in place of the mail.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn issue_code(&self, account: &Account, code: Code) -> Result<String, StoreError> {
        let (token, text) = self.issue_token(account, code, Language::default());
        self.store_token(account, IssuedToken { mail: None, ..token }).await?;
        Ok(text)
    }

    /// A new code with its letter, and the code itself.
    fn issue_token(&self, account: &Account, code: Code, language: Language) -> (IssuedToken, String) {
        let now = self.0.clock.now_micros();
        let text = EmailTokens::generate(&*self.0.random);
        let (mail, handle) = (&self.0.mail, account.handle.as_str());
        let letter = code.letter(&account.email, handle, &text, language, mail.branding());
        let token = IssuedToken {
            hash: self.0.email_tokens.hash(code, &text),
            asked_by: AskedBy::Owner,
            requested_at: now,
            email: account.email.clone(),
            mail: mail.prepare(MailKind::User, &letter, now + LIFETIME),
        };
        (token, text)
    }

    async fn store_token(&self, account: &Account, token: IssuedToken) -> Result<(), StoreError> {
        let account_id = account.account_id;
        let stored = self
            .0
            .store
            .change(move |tx| Box::pin(async move { token.insert(tx.connection(), account_id).await }));
        stored.await
    }
}

impl IssuedToken {
    /// Keeps the code and puts its letter into the outbox, unless the account has another address by now or it is too early.
    async fn insert(&self, connection: &mut SqliteConnection, account_id: i64) -> Result<(), StoreError> {
        let Some(letters) = self.letters(&mut *connection, account_id).await? else {
            return Ok(());
        };
        let kept = sqlx::query(
            "INSERT INTO email_token (account_id, purpose, keyed_hash, requested_at, wrong_tries, letters) \
             SELECT account_id, $2, $3, $4, 0, $6 FROM account WHERE account_id = $1 AND email = $5 \
             ON CONFLICT (account_id, purpose) DO UPDATE SET keyed_hash = excluded.keyed_hash, \
             requested_at = excluded.requested_at, wrong_tries = 0, letters = excluded.letters",
        )
        .bind(account_id)
        .bind(self.hash.purpose)
        .bind(&self.hash.hash[..])
        .bind(self.requested_at)
        .bind(&self.email)
        .bind(letters)
        .execute(&mut *connection)
        .await?;
        match &self.mail {
            Some(mail) if kept.rows_affected() > 0 => mail.insert(connection).await.map(drop),
            _ => Ok(()),
        }
    }

    /// How many letters there are now in a row that led to nothing, with this one; nothing if it is too early for this one.
    async fn letters(&self, connection: &mut SqliteConnection, account_id: i64) -> Result<Option<i64>, StoreError> {
        if self.asked_by == AskedBy::Owner {
            return Ok(Some(1));
        }
        let row = sqlx::query("SELECT requested_at, letters FROM email_token WHERE account_id = $1 AND purpose = $2")
            .bind(account_id)
            .bind(self.hash.purpose)
            .fetch_optional(connection)
            .await?;
        let Some(row) = row else { return Ok(Some(1)) };
        let (last, letters): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let passed = self.requested_at.saturating_sub(last);
        if passed >= FORGOTTEN_AFTER {
            return Ok(Some(1));
        }
        let has_passed = u128::try_from(passed).is_ok_and(|passed| passed >= pause_after(letters).as_micros());
        Ok(has_passed.then(|| letters.saturating_add(1)))
    }
}

/// How long to wait after so many letters that led to nothing.
fn pause_after(letters: i64) -> Duration {
    let times = u32::try_from(letters.saturating_sub(1)).unwrap_or(u32::MAX);
    doubled(FIRST_PAUSE, times, Duration::from_micros(LIFETIME.unsigned_abs()))
}
