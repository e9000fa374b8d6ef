//! Changes of handles that the end of the process cut short: the account has the new handle and holds the old one, and nobody knows
//! which of them its DID claims.

use atproto_data::Handle;
use sqlx::{Row as _, SqliteConnection};

use super::lookup::find_by_id;
use super::{Accounts, HandleError};
use crate::store::StoreError;

impl Accounts {
    /// Finishes changes of handles that were cut short, or takes them back: whichever the DID says. For a job to call at start and every
    /// minute.
    ///
    /// # Errors
    /// If the database fails. A directory that fails is asked again next time; until then nobody else gets either of the handles.
    pub async fn settle_handle_changes(&self) -> Result<(), StoreError> {
        for account_id in self.holding().await? {
            // One that is going on is waited for; it leaves nothing to do.
            let _alone = self.0.handle_changes.lock(account_id).await;
            if let Err(error) = self.settle_handle(account_id).await {
                tracing::warn!(%error, account_id, "a change of a handle that was cut short is not settled yet");
            }
        }
        Ok(())
    }

    /// Settles what an earlier change of an account's handle left, if it left anything. For the holder of the account's lock.
    pub(super) async fn settle_handle(&self, account_id: i64) -> Result<(), HandleError> {
        let (held, account) = {
            let mut reader = self.0.store.read().await?;
            (
                held_by(&mut reader, account_id).await?,
                find_by_id(&mut reader, account_id).await?,
            )
        };
        let Some((old, account)) = held.zip(account) else {
            return Ok(());
        };
        if !self.is_claimed(&account.did, &account.handle).await? {
            tracing::info!(did = %account.did, "a change of the handle that was cut short is taken back");
            return Ok(self.go_back_to_handle(account_id, old).await?);
        }
        tracing::info!(did = %account.did, "a change of the handle that was cut short is finished");
        self.forget_did_document(&account.did).await;
        self.announce_handle(account_id).await
    }

    /// Accounts that hold an old handle.
    async fn holding(&self) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT account_id FROM held_handle ORDER BY account_id")
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

async fn held_by(connection: &mut SqliteConnection, account_id: i64) -> Result<Option<Handle>, StoreError> {
    let row = sqlx::query("SELECT handle FROM held_handle WHERE account_id = $1")
        .bind(account_id)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let handle: &str = row.try_get(0)?;
    let damaged = |_| StoreError::Damaged(format!("{handle:?} is not a handle"));
    handle.parse().map(Some).map_err(damaged)
}
