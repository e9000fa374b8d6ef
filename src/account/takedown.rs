//! Taking accounts down, and letting them up again.

use super::Accounts;
use super::lookup::find_by_id;
use super::sessions::end_all_sessions;
use super::status::announce_status;
use crate::clock::rfc3339_millis;
use crate::store::StoreError;

/// What moderators decided about an account or a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takedown {
    /// It is taken down. The reference is theirs; without one the time serves.
    Applied(Option<String>),
    /// It is not.
    Lifted,
}

impl Takedown {
    fn into_reference(self, now: i64) -> Option<String> {
        match self {
            Takedown::Applied(reference) => Some(reference.unwrap_or_else(|| rfc3339_millis(now))),
            Takedown::Lifted => None,
        }
    }
}

impl Accounts {
    /// Tells the network an account's status once more, for those who have got it wrong. The caller holds the repo's lock.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn repeat_status(&self, account_id: i64) -> Result<(), StoreError> {
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                match find_by_id(tx.connection(), account_id).await? {
                    Some(account) => announce_status(tx, &account).await,
                    None => Ok(()),
                }
            })
        });
        done.await
    }

    /// What is stored for a decision of now: a reference, or nothing for what is not taken down.
    pub fn takedown_reference(&self, takedown: Takedown) -> Option<String> {
        takedown.into_reference(self.0.clock.now_micros())
    }

    /// Takes an account down, which ends its sessions at once, or lets it up again, and tells the network. The caller holds the repo's
    /// lock. An account that is gone is left alone.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_takedown(&self, account_id: i64, takedown: Takedown) -> Result<(), StoreError> {
        let now = self.0.clock.now_micros();
        let reference = takedown.into_reference(now);
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE account SET takedown_ref = $1 WHERE account_id = $2")
                    .bind(reference.as_deref())
                    .bind(account_id)
                    .execute(tx.connection())
                    .await?;
                if reference.is_some() {
                    end_all_sessions(tx.connection(), account_id, now).await?;
                }
                match find_by_id(tx.connection(), account_id).await? {
                    Some(account) => announce_status(tx, &account).await,
                    None => Ok(()),
                }
            })
        });
        done.await
    }
}
