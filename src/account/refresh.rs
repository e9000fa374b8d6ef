//! Refreshing a session: each refresh token gives one next token.

use std::time::Duration;

use atproto_data::Did;
use sqlx::{Row as _, SqliteConnection};

use super::status::account_columns;
use super::token::{REFRESH_SECONDS, RefreshToken};
use super::{Account, AccountStatus, Accounts, MICROS_PER_SECOND, Session};
use crate::session_scope::SessionScope;
use crate::store::{Row, StoreError};

/// How long a refresh token can be used again after its first use: the same next token is given again, for a client that lost the
/// answer.
const GRACE: Duration = Duration::from_hours(2);

/// So many used tokens of a session are remembered beyond their grace, the newest: of days, for a client that is always in use.
const MAX_USED: i64 = 50;

const REFRESH: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", s.session_id, s.scope, r.next_id, r.expires_at \
     FROM refresh_token r JOIN session s ON s.session_id = r.session_id JOIN account a ON a.account_id = s.account_id \
     WHERE r.token_id = $1 AND a.did = $2"
);

/// Why a session is not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token was used and its grace is over, which ends its session, or its session has ended.
    #[error("Token has been revoked")]
    Revoked,
    /// The account is taken down.
    #[error("Account has been taken down")]
    TakenDown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A refresh token as it is stored.
struct StoredToken {
    token_id: String,
    session_id: String,
    scope: SessionScope,
    next_id: Option<String>,
    /// µs since 1970.
    expires_at: i64,
}

/// What a rotation found and made.
struct Rotated {
    account: Account,
    session_id: String,
    scope: SessionScope,
    token_id: String,
    expires_at: i64,
}

impl Accounts {
    /// Gives the next refresh token and a new access token. The old refresh token gives the same next one for two more hours. Who comes with
    /// it after that is not who used it, so one of the two has stolen it: the session ends for both
    /// ([RFC 9700 §4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    ///
    /// # Errors
    /// If the session has ended or the account is taken down.
    pub async fn refresh(&self, token: RefreshToken) -> Result<Session, RefreshError> {
        let now = self.0.clock.now_micros();
        let next_id = self.new_token_id();
        let rotated = self
            .0
            .store
            .change(move |tx| Box::pin(async move { rotate(tx.connection(), &token, &next_id, now).await }));
        let rotated = rotated.await??;
        let (did, tokens) = (&rotated.account.did, &self.0.tokens);
        Ok(Session {
            access_jwt: tokens.issue_access(did, rotated.scope, &rotated.session_id, self.now_seconds()),
            refresh_jwt: tokens.issue_refresh(did, &rotated.token_id, rotated.expires_at / MICROS_PER_SECOND),
            account: rotated.account,
        })
    }
}

impl StoredToken {
    fn from_row(token: &RefreshToken, row: &Row) -> Result<StoredToken, StoreError> {
        let column = |index: usize| Account::COLUMNS + index;
        let scope: &str = row.try_get(column(1))?;
        let damaged = || StoreError::Damaged(format!("{scope:?} is not a scope"));
        Ok(StoredToken {
            token_id: token.token_id.clone(),
            session_id: row.try_get(column(0))?,
            scope: SessionScope::parse(scope).ok_or_else(damaged)?,
            next_id: row.try_get(column(2))?,
            expires_at: row.try_get(column(3))?,
        })
    }
}

/// The inner error is that of a session which has ended by it: that is not rolled back.
async fn rotate(
    connection: &mut SqliteConnection,
    token: &RefreshToken,
    fresh_id: &str,
    now: i64,
) -> Result<Result<Rotated, RefreshError>, RefreshError> {
    let row = sqlx::query(REFRESH)
        .bind(&token.token_id)
        .bind(token.did.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::from)?;
    let Some(row) = row else {
        return Err(why_ended(connection, &token.did).await?);
    };
    let stored = StoredToken::from_row(token, &row)?;
    if stored.expires_at <= now {
        if stored.next_id.is_some() {
            tracing::info!(did = %token.did, "a refresh token was used again: its session ends");
            end_session(connection, &stored.session_id).await?;
        }
        return Ok(Err(RefreshError::Revoked));
    }
    let account = Account::from_row(&row)?;
    if account.status == AccountStatus::TakenDown {
        return Err(RefreshError::TakenDown);
    }
    let (token_id, expires_at) = successor(connection, &stored, fresh_id, now).await?;
    Ok(Ok(Rotated {
        account,
        session_id: stored.session_id,
        scope: stored.scope,
        token_id,
        expires_at,
    }))
}

/// A takedown ends sessions, which their owner should learn.
async fn why_ended(connection: &mut SqliteConnection, did: &Did) -> Result<RefreshError, StoreError> {
    let row = sqlx::query("SELECT 1 FROM account WHERE did = $1 AND takedown_ref IS NOT NULL")
        .bind(did.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.map_or(RefreshError::Revoked, |_| RefreshError::TakenDown))
}

/// The token that follows and its end: the one that was given before, or a new one.
async fn successor(
    connection: &mut SqliteConnection,
    stored: &StoredToken,
    fresh_id: &str,
    now: i64,
) -> Result<(String, i64), RefreshError> {
    if let Some(next_id) = &stored.next_id {
        let end = token_end(connection, next_id).await?.ok_or(RefreshError::Revoked)?;
        return Ok((next_id.clone(), end));
    }
    let end = refresh_end(now);
    retire(connection, stored, fresh_id, now).await?;
    insert_token(connection, &stored.session_id, fresh_id, end).await?;
    extend(connection, &stored.session_id, end, now).await?;
    Ok((fresh_id.to_owned(), end))
}

async fn token_end(connection: &mut SqliteConnection, token_id: &str) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query("SELECT expires_at FROM refresh_token WHERE token_id = $1")
        .bind(token_id)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Names a token's successor and lets it live for no longer than the grace.
async fn retire(
    connection: &mut SqliteConnection,
    stored: &StoredToken,
    next_id: &str,
    now: i64,
) -> Result<(), StoreError> {
    let grace = i64::try_from(GRACE.as_micros()).unwrap_or(i64::MAX);
    sqlx::query("UPDATE refresh_token SET next_id = $1, expires_at = $2 WHERE token_id = $3")
        .bind(next_id)
        .bind(stored.expires_at.min(now.saturating_add(grace)))
        .bind(&stored.token_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves the session's end and forgets its oldest used tokens.
async fn extend(connection: &mut SqliteConnection, session_id: &str, end: i64, now: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET expires_at = $1 WHERE session_id = $2")
        .bind(end)
        .bind(session_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM refresh_token WHERE session_id = $1 AND expires_at <= $2 AND token_id NOT IN \
         (SELECT token_id FROM refresh_token WHERE session_id = $1 AND expires_at <= $2 ORDER BY expires_at DESC LIMIT $3)",
    )
    .bind(session_id)
    .bind(now)
    .bind(MAX_USED)
    .execute(connection)
    .await?;
    Ok(())
}

async fn end_session(connection: &mut SqliteConnection, session_id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE session_id = $1")
        .bind(session_id)
        .execute(connection)
        .await?;
    Ok(())
}

/// When a refresh token that is issued now ends, µs since 1970 in whole seconds.
pub(super) fn refresh_end(now: i64) -> i64 {
    (now / MICROS_PER_SECOND + REFRESH_SECONDS) * MICROS_PER_SECOND
}

/// Stores a refresh token of a session.
pub(super) async fn insert_token(
    connection: &mut SqliteConnection,
    session_id: &str,
    token_id: &str,
    expires_at: i64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO refresh_token (token_id, session_id, expires_at) VALUES ($1, $2, $3)")
        .bind(token_id)
        .bind(session_id)
        .bind(expires_at)
        .execute(connection)
        .await?;
    Ok(())
}
