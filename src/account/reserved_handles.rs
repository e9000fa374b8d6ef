//! Which handles may be chosen: the rules, the names that administrators reserve, and those of accounts that were deleted lately.

use atproto_data::{Did, Handle};
use sqlx::SqliteConnection;

use super::pending::is_handle_taken;
use super::{Account, Accounts, NOBODY};
use crate::identity::HandleRefused;
use crate::store::StoreError;

/// So long nobody else may choose the handle of a deleted account, µs.
const KEPT_BACK_FOR: i64 = 30 * 24 * 60 * 60 * 1_000_000;

impl Accounts {
    /// Why the handle may not be chosen, by the rules, because an administrator reserved it, or because a deleted account had it until
    /// lately. `did` is that of the account that wants it, if it has one yet. Not whether somebody has the handle.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn handle_refusal(
        &self,
        handle: &Handle,
        did: Option<&Did>,
    ) -> Result<Option<HandleRefused>, StoreError> {
        let rules = &self.0.handle_rules;
        let refusal = rules.check_new(handle).err();
        if !matches!(refusal, None | Some(HandleRefused::UnsupportedDomain)) {
            return Ok(refusal);
        }
        let name = rules.service_name(handle).unwrap_or(handle.as_str());
        let mut reader = self.0.store.read().await?;
        if is_reserved(&mut reader, name).await? {
            return Ok(Some(HandleRefused::Reserved));
        }
        // Whoever has another domain has its names.
        if refusal.is_none() && is_kept_back(&mut reader, handle, did, self.0.clock.now_micros()).await? {
            return Ok(Some(HandleRefused::KeptBack));
        }
        Ok(refusal)
    }

    /// Whether a new account could have the handle now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn is_handle_available(&self, handle: &Handle) -> Result<bool, StoreError> {
        if self.handle_refusal(handle, None).await?.is_some() {
            return Ok(false);
        }
        let is_taken = is_handle_taken(&mut *self.0.store.read().await?, handle, NOBODY).await?;
        Ok(!is_taken)
    }

    /// Keeps a name from being chosen from now on: of a handle under a service domain the part in front of it, else the whole. Who has
    /// it keeps it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn reserve_handle(&self, handle: &Handle) -> Result<(), StoreError> {
        let name = self
            .0
            .handle_rules
            .service_name(handle)
            .unwrap_or(handle.as_str())
            .to_owned();
        let reserved = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO reserved_handle (name) VALUES ($1) ON CONFLICT DO NOTHING")
                    .bind(name)
                    .execute(tx.connection())
                    .await?;
                Ok(())
            })
        });
        reserved.await
    }
}

async fn is_reserved(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM reserved_handle WHERE name = $1").bind(name);
    Ok(row.fetch_optional(connection).await?.is_some())
}

async fn is_kept_back(
    connection: &mut SqliteConnection,
    handle: &Handle,
    did: Option<&Did>,
    now: i64,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM left_handle WHERE handle = $1 AND did <> $2 AND free_from > $3")
        .bind(handle.as_str())
        .bind(did.map_or("", Did::as_str))
        .bind(now);
    Ok(row.fetch_optional(connection).await?.is_some())
}

/// Keeps the handle of an account that is being deleted from all others for a while; forgets those whose time is over.
pub(super) async fn keep_back(
    connection: &mut SqliteConnection,
    account: &Account,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM left_handle WHERE free_from <= $1")
        .bind(now)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO left_handle (handle, did, free_from) VALUES ($1, $2, $3) \
         ON CONFLICT (handle) DO UPDATE SET did = excluded.did, free_from = excluded.free_from",
    )
    .bind(account.handle.as_str())
    .bind(account.did.as_str())
    .bind(now.saturating_add(KEPT_BACK_FOR))
    .execute(connection)
    .await?;
    Ok(())
}
