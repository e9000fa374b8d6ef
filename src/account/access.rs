//! Whom an access token speaks for.

use std::sync::Arc;

use super::status::account_columns;
use super::token::{AccessToken, TokenError};
use super::{Account, AccountStatus, Accounts, MICROS_PER_SECOND};
use crate::session_scope::SessionScope;
use crate::store::{Columns as _, Found, Store, StoreError, UntilChange};

/// Tokens that are kept with what they were found to be good for, about a kilobyte each.
const KEPT_TOKENS: u64 = 4_096;

/// Who a valid access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The account.
    pub account: Account,
    /// What the token is good for.
    pub scope: SessionScope,
    /// The session; none for tokens that the reference server issued.
    pub session_id: Option<String>,
    /// The app password that was used to log in, if it was one.
    pub app_password: Option<String>,
}

/// Tokens of live sessions, as they were presented.
pub(super) type KnownTokens = UntilChange<String, Known>;

/// A token of a live session. It need not be verified again before anything changes, at these times.
#[derive(Clone)]
pub(super) struct Known {
    access: Arc<Access>,
    /// µs since 1970. A clock that goes back has the token verified again.
    verified_at: i64,
    expires_at: i64,
}

/// An account and, if it is live, the session that a token names.
struct Live {
    account: Account,
    cut_off: Option<i64>,
    session: Option<LiveSession>,
}

struct LiveSession {
    session_id: String,
    app_password: Option<String>,
    expires_at: i64,
}

impl Live {
    fn from_row(row: &Found<'_>) -> Result<Live, StoreError> {
        let session_id: Option<String> = row.column(Account::COLUMNS + 1)?;
        let session = session_id.map(|session_id| {
            Ok::<_, StoreError>(LiveSession {
                session_id,
                app_password: row.column(Account::COLUMNS + 2)?,
                expires_at: row.column(Account::COLUMNS + 3)?,
            })
        });
        Ok(Live {
            account: Account::from_row(row)?,
            cut_off: row.column(Account::COLUMNS)?,
            session: session.transpose()?,
        })
    }
}

/// The account and, if it is live, the session: one query.
const ACCESS: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", a.tokens_cut_off, s.session_id, s.app_password_name, s.expires_at \
     FROM account a LEFT JOIN session s \
     ON s.session_id = $2 AND s.account_id = a.account_id AND s.scope = $3 AND s.expires_at > $4 WHERE a.did = $1"
);

/// A place for the tokens that are in use.
pub(super) fn known_tokens(store: &Store) -> KnownTokens {
    store.until_change(KEPT_TOKENS)
}

impl Accounts {
    /// Whom an access token speaks for: it is genuine, its time is not over and its session is live. The account's status is the
    /// caller's to judge.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Access>, TokenError> {
        let now = self.0.clock.now_micros();
        let known = &self.0.known_tokens;
        if let Some(known) = known.get(token).filter(|known| known.holds_at(now)) {
            return Ok(known.access);
        }
        let as_of = known.as_of();
        let read = self.0.tokens.read_access(token, now.div_euclid(MICROS_PER_SECOND))?;
        let expires_at = read.expires_at.saturating_mul(MICROS_PER_SECOND);
        let live = self.find_live(&read, now).await?;
        let session_expires_at = live.session.as_ref().map(|session| session.expires_at);
        let access = Arc::new(live.access(&read)?);
        if let Some(session_expires_at) = session_expires_at {
            let found = Known {
                access: Arc::clone(&access),
                verified_at: now,
                expires_at: expires_at.min(session_expires_at),
            };
            known.keep(token.to_owned(), as_of, found);
        }
        Ok(access)
    }

    async fn find_live(&self, token: &AccessToken, now: i64) -> Result<Live, TokenError> {
        let (did, session_id) = (token.did.as_str().into(), token.session_id.as_deref().into());
        let parameters = [did, session_id, token.scope.as_str().into(), now.into()];
        let found = self.0.store.look_up_one(ACCESS, parameters, Live::from_row).await?;
        found.ok_or_else(|| TokenError::UnknownAccount(token.did.clone()))
    }
}

impl Known {
    fn holds_at(&self, now: i64) -> bool {
        (self.verified_at..self.expires_at).contains(&now)
    }
}

impl Live {
    fn access(self, token: &AccessToken) -> Result<Access, TokenError> {
        let is_live = match token.session_id {
            Some(_) => self.session.is_some(),
            None => self
                .cut_off
                .is_none_or(|cut_off| cut_off < token.issued_at.saturating_mul(MICROS_PER_SECOND)),
        };
        match (is_live, self.account.status) {
            (true, _) => {}
            // Its owner should learn what happened rather than be asked to log in again.
            (false, AccountStatus::TakenDown) => return Err(TokenError::TakenDown),
            (false, _) => return Err(TokenError::Revoked),
        }
        let (session_id, app_password) = match self.session {
            Some(session) => (Some(session.session_id), session.app_password),
            None => (None, None),
        };
        Ok(Access {
            account: self.account,
            scope: token.scope,
            session_id,
            app_password,
        })
    }
}
