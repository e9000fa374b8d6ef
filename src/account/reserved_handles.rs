//! Which handles may be chosen: the rules, and the names that administrators reserve.

use atproto_data::Handle;
use sqlx::SqliteConnection;

use super::pending::is_handle_taken;
use super::{Accounts, NOBODY};
use crate::identity::HandleRefused;
use crate::store::StoreError;

impl Accounts {
    /// Why the handle may not be chosen, by the rules or because an administrator reserved it. Not whether somebody has it.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn handle_refusal(&self, handle: &Handle) -> Result<Option<HandleRefused>, StoreError> {
        let rules = &self.0.handle_rules;
        let refusal = rules.check_new(handle).err();
        if !matches!(refusal, None | Some(HandleRefused::UnsupportedDomain)) {
            return Ok(refusal);
        }
        let name = rules.service_name(handle).unwrap_or(handle.as_str());
        if is_reserved(&mut *self.0.store.read().await?, name).await? {
            return Ok(Some(HandleRefused::Reserved));
        }
        Ok(refusal)
    }

    /// Whether a new account could have the handle now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn is_handle_available(&self, handle: &Handle) -> Result<bool, StoreError> {
        if self.handle_refusal(handle).await?.is_some() {
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
