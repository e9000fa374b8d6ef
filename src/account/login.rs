//! Logging in with a password or an app password.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::email_token::{self, EmailTokenHash};
use super::login_attempts::LoginAttempt;
use super::lookup::login_key;
use super::password::{self, PasswordError, Verdict};
use super::sessions::NewSession;
use super::{Account, AccountStatus, Accounts, AppPassword, EmailTokenError, Origin, Session, app_passwords};
use crate::mail::{Code, Language};
use crate::observe::metrics;
use crate::session_scope::SessionScope;
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
    /// Where they are.
    pub from: Origin,
    /// The code that was mailed, where the account has a second factor.
    pub factor_token: Option<String>,
    /// The language of that mail.
    pub language: Language,
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
    /// The password is right, and a code has been mailed that is needed too.
    #[error("A sign in code has been sent to your email address")]
    FactorRequired,
    /// The mailed code is not good.
    #[error(transparent)]
    Factor(#[from] EmailTokenError),
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
    pub async fn log_in(&self, mut login: Login) -> Result<Session, LoginError> {
        login.identifier = login_key(&login.identifier);
        let outcome = self.take_at_least(FLOOR, self.try_log_in(login)).await;
        metrics::LOGINS.increment([match &outcome {
            Ok(_) => "ok",
            Err(LoginError::Wrong) => "wrong_password",
            Err(_) => "refused",
        }]);
        outcome
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
        let (account, proof) = self.recognise(&login).await?;
        let session = self.begin_session(&proof, &account, login.allow_takendown)?;
        let factor = self.factor(&proof, &account, &login).await?;
        let (account_id, now) = (account.account_id, self.0.clock.now_micros());
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                let connection = tx.connection();
                if let Some(typed) = &factor
                    && let Err(error) = email_token::spend(connection, account_id, typed, now).await
                {
                    // Not rolled back: a wrong try counts.
                    return Ok(Err(error));
                }
                proof.confirm(connection, &account).await?;
                session.insert(connection, account_id).await?;
                Ok::<_, LoginError>(Ok((account, session)))
            })
        });
        let (account, session) = stored.await??;
        self.0.login_attempts.was_right(attempt(&login, Some(&account)));
        Ok(self.open_session(account, &session))
    }

    /// Whose password it is, and what it proves.
    async fn recognise(&self, login: &Login) -> Result<(Account, Proof), LoginError> {
        if !password::can_be_tried(&login.password) {
            return Err(LoginError::TooLong);
        }
        let found = if login.identifier.len() <= MAX_IDENTIFIER {
            self.find_login(&login.identifier).await?
        } else {
            None
        };
        let (account, hash) = found.unzip();
        self.0.login_attempts.begin(attempt(login, account.as_ref())).await?;
        let proof = self.prove(&login.password, account.as_ref(), hash.flatten()).await?;
        account.zip(proof).ok_or(LoginError::Wrong)
    }

    fn begin_session(&self, proof: &Proof, account: &Account, allow_takendown: bool) -> Result<NewSession, LoginError> {
        match (proof, account.status) {
            (Proof::AppPassword(password), _) => Ok(self.new_session_of(password)),
            (_, AccountStatus::TakenDown) if allow_takendown => Ok(self.new_session(SessionScope::Takendown)),
            (_, AccountStatus::TakenDown) => Err(LoginError::TakenDown),
            (_, AccountStatus::Active | AccountStatus::Deactivated) => Ok(self.new_session(SessionScope::Access)),
        }
    }

    /// The mailed code that somebody has to bring, if they have to; one is mailed to those who bring none.
    async fn factor(
        &self,
        proof: &Proof,
        account: &Account,
        login: &Login,
    ) -> Result<Option<EmailTokenHash>, LoginError> {
        if !account.email_factor || matches!(proof, Proof::AppPassword(_)) {
            return Ok(None);
        }
        if let Some(token) = login.factor_token.as_deref().filter(|token| !token.is_empty()) {
            return Ok(Some(self.0.email_tokens.hash(Code::LogIn, token)));
        }
        // Whoever has found out a password must not flood its owner.
        self.mail_code_sparingly(account, Code::LogIn, login.language).await?;
        Err(LoginError::FactorRequired)
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
            (Verdict::RightButOutdated, Some(hash)) => Ok(Some(Proof::Password {
                hash,
                newer: Some(self.0.passwords.hash(password).await?),
            })),
            (Verdict::Right, Some(hash)) => Ok(Some(Proof::Password { hash, newer: None })),
            (Verdict::Wrong, _) | (_, None) => Ok(None),
        }
    }
}

/// What a login counts on. It counts as wrong until there is a session: a password alone, where a code is needed too, does not make up for
/// the wrong ones before it.
fn attempt<'a>(login: &'a Login, account: Option<&'a Account>) -> LoginAttempt<'a> {
    LoginAttempt {
        identifier: &login.identifier,
        account: account.map(|account| &account.did),
        from: login.from,
    }
}

/// What somebody who logs in has proven to know.
enum Proof {
    /// The account's password, by its hash, and a newer hash of it if that one is outdated.
    Password { hash: String, newer: Option<String> },
    /// An app password.
    AppPassword(AppPassword),
}

impl Proof {
    /// Makes sure that what was found still holds when the session begins: whoever guesses wrong waits before the password is looked at,
    /// and it may have been changed meanwhile. Brings an outdated hash up to date.
    async fn confirm(&self, connection: &mut SqliteConnection, account: &Account) -> Result<(), LoginError> {
        let account_id = account.account_id;
        let (hash, newer) = match self {
            Proof::Password { hash, newer } => (hash, newer.as_ref()),
            Proof::AppPassword(password) if app_passwords::is_live(connection, account_id, password).await? => {
                return Ok(());
            }
            Proof::AppPassword(_) => return Err(LoginError::Wrong),
        };
        let held = sqlx::query(
            "UPDATE account SET password_hash = $1 WHERE account_id = $2 AND password_hash = $3 AND email_factor = $4 \
             AND (takedown_ref IS NOT NULL) = $5",
        )
        .bind(newer.unwrap_or(hash))
        .bind(account_id)
        .bind(hash)
        .bind(i64::from(account.email_factor))
        .bind(account.status == AccountStatus::TakenDown)
        .execute(connection)
        .await
        .map_err(StoreError::from)?;
        if held.rows_affected() == 0 {
            Err(LoginError::Wrong)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::account::testing::TestAccounts;

    /// Whether a proof holds in a transaction of its own.
    async fn holds(test: &TestAccounts, proof: Proof, account: &Account) -> bool {
        let account = account.clone();
        let confirmed = test.test.store.change(move |tx| {
            Box::pin(async move { Ok::<_, StoreError>(proof.confirm(tx.connection(), &account).await.is_ok()) })
        });
        confirmed.await.unwrap()
    }

    #[tokio::test]
    async fn a_password_that_was_changed_while_somebody_waited_opens_no_session() {
        let test = TestAccounts::open().await;
        let invite = test.invite(1).await;
        let created = test.accounts.create(TestAccounts::request("alice", &invite)).await;
        created.unwrap();
        let found = test.accounts.find_login("alice.test").await.unwrap();
        let (account, hash) = found.unwrap();
        let proof = |hash: &Option<String>| Proof::Password {
            hash: hash.clone().unwrap(),
            newer: None,
        };
        assert!(holds(&test, proof(&hash), &account).await);
        let factor_is_on = Account {
            email_factor: true,
            ..account.clone()
        };
        assert!(!holds(&test, proof(&hash), &factor_is_on).await);
        let taken_down = Account {
            status: AccountStatus::TakenDown,
            ..account.clone()
        };
        assert!(!holds(&test, proof(&hash), &taken_down).await);
        test.accounts.set_password(account.account_id, "new").await.unwrap();
        assert!(!holds(&test, proof(&hash), &account).await);
    }
}
