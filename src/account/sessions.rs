//! Sessions: one login each. Its id stands in its access tokens; its refresh tokens follow one another.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sqlx::SqliteConnection;

use super::refresh::{insert_token, refresh_end};
use super::token::{RefreshToken, TokenError};
use super::{Account, Accounts, AppPassword, MICROS_PER_SECOND};
use crate::random;
use crate::session_scope::SessionScope;
use crate::store::StoreError;

/// The most sessions of one account; those not used for longest make room.
const MAX_SESSIONS: i64 = 1_000;

/// Bytes of random ids. Refresh tokens have the reference's length.
const SESSION_ID_BYTES: usize = 16;
const TOKEN_ID_BYTES: usize = 32;

/// A session as its owner gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The account.
    pub account: Account,
    /// The access token.
    pub access_jwt: String,
    /// The refresh token.
    pub refresh_jwt: String,
}

/// A new session before it is stored.
pub(super) struct NewSession {
    session_id: String,
    token_id: String,
    scope: SessionScope,
    app_password: Option<String>,
    /// µs since 1970.
    created_at: i64,
    expires_at: i64,
}

impl Accounts {
    /// Reads a refresh token; whether its session is live is known when it is used.
    ///
    /// # Errors
    /// If it is not genuine or its time is over.
    pub fn read_refresh_token(&self, token: &str) -> Result<RefreshToken, TokenError> {
        let token = self.read_refresh_token_even_if_expired(token)?;
        if token.is_expired(self.now_seconds()) {
            Err(TokenError::Expired)
        } else {
            Ok(token)
        }
    }

    /// Reads a refresh token whose time may be over, for logging out.
    ///
    /// # Errors
    /// If it is not genuine.
    pub fn read_refresh_token_even_if_expired(&self, token: &str) -> Result<RefreshToken, TokenError> {
        self.0.tokens.read_refresh(token, self.now_seconds())
    }

    /// Ends a session, with all its tokens. That it has ended before is no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn log_out(&self, token: RefreshToken) -> Result<(), StoreError> {
        let ended = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "DELETE FROM session WHERE session_id = (SELECT session_id FROM refresh_token WHERE token_id = $1)",
                )
                .bind(&token.token_id)
                .execute(tx.connection())
                .await?;
                Ok(())
            })
        });
        ended.await
    }

    /// Removes sessions whose time is over, of all accounts. For a job to call now and then; returns how many there were.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn remove_expired_sessions(&self) -> Result<u64, StoreError> {
        /// Sessions removed per transaction, so that writers never wait long.
        const CHUNK: i64 = 500;
        let now = self.0.clock.now_micros();
        let mut total = 0;
        loop {
            let removed = self
                .0
                .store
                .change(move |tx| Box::pin(remove_expired(tx.connection(), now, CHUNK)))
                .await?;
            total += removed;
            if removed < CHUNK.unsigned_abs() {
                return Ok(total);
            }
        }
    }

    /// A new session of this moment. Its end is a whole second, so that tokens can say it.
    pub(super) fn new_session(&self, scope: SessionScope) -> NewSession {
        let created_at = self.0.clock.now_micros();
        NewSession {
            session_id: URL_SAFE_NO_PAD.encode(random::bytes::<SESSION_ID_BYTES>(&*self.0.random)),
            token_id: self.new_token_id(),
            scope,
            app_password: None,
            created_at,
            expires_at: refresh_end(created_at),
        }
    }

    /// A new session of somebody who logs in with an app password.
    pub(super) fn new_session_of(&self, app_password: &AppPassword) -> NewSession {
        NewSession {
            app_password: Some(app_password.name.clone()),
            ..self.new_session(app_password.scope())
        }
    }

    /// The tokens of a new session that has been stored.
    pub(super) fn open_session(&self, account: Account, session: &NewSession) -> Session {
        let (created, expires) = (
            session.created_at / MICROS_PER_SECOND,
            session.expires_at / MICROS_PER_SECOND,
        );
        Session {
            access_jwt: self
                .0
                .tokens
                .issue_access(&account.did, session.scope, &session.session_id, created),
            refresh_jwt: self.0.tokens.issue_refresh(&account.did, &session.token_id, expires),
            account,
        }
    }

    pub(super) fn new_token_id(&self) -> String {
        STANDARD_NO_PAD.encode(random::bytes::<TOKEN_ID_BYTES>(&*self.0.random))
    }
}

impl NewSession {
    /// Stores the session. One of a taken down account cannot be refreshed.
    pub(super) async fn insert(&self, connection: &mut SqliteConnection, account_id: i64) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM session WHERE session_id IN \
             (SELECT session_id FROM session WHERE account_id = $1 ORDER BY expires_at DESC LIMIT $2 OFFSET $3)",
        )
        .bind(account_id)
        .bind(MAX_SESSIONS)
        .bind(MAX_SESSIONS - 1)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO session (session_id, account_id, app_password_name, scope, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&self.session_id)
        .bind(account_id)
        .bind(self.app_password.as_deref())
        .bind(self.scope.as_str())
        .bind(self.created_at)
        .bind(self.expires_at)
        .execute(&mut *connection)
        .await?;
        if self.scope == SessionScope::Takendown {
            return Ok(());
        }
        insert_token(connection, &self.session_id, &self.token_id, self.expires_at).await
    }
}

/// Ends every session of an account with all its tokens, also those that the reference server issued. `now` in µs since 1970.
pub(super) async fn end_all_sessions(
    connection: &mut SqliteConnection,
    account_id: i64,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE account_id = $1")
        .bind(account_id)
        .execute(&mut *connection)
        .await?;
    cut_off_tokens(connection, account_id, now).await
}

/// Refuses from now on the access tokens of an account that have no session. `now` in µs since 1970.
pub(super) async fn cut_off_tokens(
    connection: &mut SqliteConnection,
    account_id: i64,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE account SET tokens_cut_off = $1 WHERE account_id = $2")
        .bind(now)
        .bind(account_id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn remove_expired(connection: &mut SqliteConnection, now: i64, limit: i64) -> Result<u64, StoreError> {
    let removed = sqlx::query(
        "DELETE FROM session WHERE session_id IN (SELECT session_id FROM session WHERE expires_at <= $1 LIMIT $2)",
    )
    .bind(now)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(removed.rows_affected())
}
