//! Accounts between their genesis operation and the PLC directory's answer.
//!
//! A row in state `creating` holds handle, e-mail and one use of the invite for a running request. When the request fails, the row
//! becomes `unsettled` and holds nothing: the directory may or may not have the operation. The same person's next try takes the row over,
//! so that whatever the directory has becomes their account; else the job ends what nobody came back for.

use atproto_data::{Did, Handle};
use atproto_plc::Operation;
use atproto_plc::operation::OperationJsonError;
use sqlx::{Row as _, SqliteConnection};

use super::create::CreateError;
use super::{Accounts, NOBODY, invites};
use crate::identity::sealing::SealedKey;
use crate::store::{Row, StoreError};

pub(super) const COLUMNS: &str = "did, handle, email_key, invite_code, public_key, sealed, sealing_key_id, operation";

/// A row of table `pending_account`.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) did: Did,
    pub(super) handle: Handle,
    pub(super) email_key: String,
    pub(super) invite_code: Option<String>,
    /// The signing key's public half, a `did:key`.
    pub(super) public_key: String,
    pub(super) sealed: SealedKey,
    /// The signed genesis operation.
    pub(super) operation: Operation,
}

impl Pending {
    pub(super) fn from_row(row: &Row) -> Result<Pending, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("pending account: {what}"));
        let operation: &str = row.try_get(7)?;
        Ok(Pending {
            did: row.try_get::<&str, _>(0)?.parse().map_err(|_| damaged("DID"))?,
            handle: row.try_get::<&str, _>(1)?.parse().map_err(|_| damaged("handle"))?,
            email_key: row.try_get(2)?,
            invite_code: row.try_get(3)?,
            public_key: row.try_get(4)?,
            sealed: SealedKey {
                bytes: row.try_get(5)?,
                sealing_key_id: row.try_get(6)?,
            },
            operation: Operation::from_json(operation.as_bytes())
                .map_err(|error: OperationJsonError| damaged(&error.to_string()))?,
        })
    }

    /// Whether this, under another signing key, is what `other` would register.
    fn registers_the_same(&self, other: &Pending) -> bool {
        let (Some(mut state), Some(wanted)) = (self.operation.state(), other.operation.state()) else {
            return false;
        };
        state.set_signing_key(&other.public_key);
        state == wanted
    }
}

/// Whether the handle is free, the invite good and the e-mail address free, now. In this order: whether an address has an account is
/// told only to those who were invited.
pub(super) async fn check_free(connection: &mut SqliteConnection, wanted: &Wanted<'_>) -> Result<(), CreateError> {
    if is_handle_taken(connection, wanted.handle, NOBODY).await? {
        return Err(CreateError::HandleTaken(wanted.handle.clone()));
    }
    if let Some(code) = wanted.invite_code {
        invites::check(connection, code).await?;
    }
    if is_email_taken(connection, wanted.email_key, NOBODY).await? {
        return Err(CreateError::EmailTaken);
    }
    Ok(())
}

/// Whether another account has a handle, or one that is being created, or one that may get it back.
pub(super) async fn is_handle_taken(
    connection: &mut SqliteConnection,
    handle: &Handle,
    account_id: i64,
) -> Result<bool, StoreError> {
    const TAKEN: &str = "SELECT 1 FROM account WHERE handle = $1 AND account_id <> $2 \
         UNION ALL SELECT 1 FROM held_handle WHERE handle = $1 AND account_id <> $2 \
         UNION ALL SELECT 1 FROM pending_account WHERE handle = $1 AND state = 'creating' LIMIT 1";
    let row = sqlx::query(TAKEN).bind(handle.as_str()).bind(account_id);
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// Whether another account has an e-mail address, or one that is being created.
pub(super) async fn is_email_taken(
    connection: &mut SqliteConnection,
    email_key: &str,
    account_id: i64,
) -> Result<bool, StoreError> {
    const TAKEN: &str = "SELECT 1 FROM account WHERE email_key = $1 AND account_id <> $2 \
         UNION ALL SELECT 1 FROM pending_account WHERE email_key = $1 AND state = 'creating' LIMIT 1";
    let row = sqlx::query(TAKEN).bind(email_key).bind(account_id);
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// What a new account wants to hold.
pub(super) struct Wanted<'w> {
    pub(super) handle: &'w Handle,
    pub(super) email_key: &'w str,
    pub(super) invite_code: Option<&'w str>,
}

/// Takes handle, e-mail and invite for a new account, or takes over what an earlier try of the same person left.
pub(super) async fn reserve(connection: &mut SqliteConnection, new: Pending, now: i64) -> Result<Pending, CreateError> {
    let wanted = Wanted {
        handle: &new.handle,
        email_key: &new.email_key,
        invite_code: new.invite_code.as_deref(),
    };
    check_free(connection, &wanted).await?;
    for earlier in unsettled_of(connection, &new).await? {
        if earlier.registers_the_same(&new) {
            take_over(connection, &earlier.did, new.invite_code.as_deref(), now).await?;
            return Ok(Pending {
                invite_code: new.invite_code,
                ..earlier
            });
        }
    }
    insert(connection, &new, now).await?;
    Ok(new)
}

async fn unsettled_of(connection: &mut SqliteConnection, new: &Pending) -> Result<Vec<Pending>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM pending_account WHERE state = 'unsettled' AND handle = $1 AND email_key = $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(new.handle.as_str())
        .bind(&new.email_key)
        .fetch_all(connection)
        .await?;
    rows.iter().map(Pending::from_row).collect()
}

async fn take_over(
    connection: &mut SqliteConnection,
    did: &Did,
    invite_code: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE pending_account SET state = 'creating', invite_code = $1, created_at = $2 WHERE did = $3")
        .bind(invite_code)
        .bind(now)
        .bind(did.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, new: &Pending, now: i64) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO pending_account ({COLUMNS}, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'creating', $9)"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(new.did.as_str())
        .bind(new.handle.as_str())
        .bind(&new.email_key)
        .bind(new.invite_code.as_deref())
        .bind(&new.public_key)
        .bind(&new.sealed.bytes)
        .bind(&new.sealed.sealing_key_id)
        .bind(new.operation.to_json().to_string())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the row because the account exists now. False if the row was taken away meanwhile; then there must be no account.
pub(super) async fn finish(connection: &mut SqliteConnection, did: &Did) -> Result<bool, StoreError> {
    let removed = sqlx::query("DELETE FROM pending_account WHERE did = $1 AND state = 'creating'")
        .bind(did.as_str())
        .execute(connection)
        .await?;
    Ok(removed.rows_affected() == 1)
}

impl Accounts {
    /// Gives back what a failed try held: handle, e-mail and invite are free at once.
    pub(super) async fn release(&self, did: &Did) -> Result<(), StoreError> {
        let did = did.clone();
        let released = self.0.store.change(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE pending_account SET state = 'unsettled', invite_code = NULL WHERE did = $1 AND state = 'creating'";
                sqlx::query(sql).bind(did.as_str()).execute(tx.connection()).await?;
                Ok(())
            })
        });
        released.await
    }

    /// Gives back what requests held that ended with the process. To be called at start, before the first request.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn release_interrupted(&self) -> Result<(), StoreError> {
        let released = self.0.store.change(|tx| {
            Box::pin(async move {
                let sql =
                    "UPDATE pending_account SET state = 'unsettled', invite_code = NULL WHERE state <> 'unsettled'";
                sqlx::query(sql).execute(tx.connection()).await?;
                Ok(())
            })
        });
        released.await
    }
}
