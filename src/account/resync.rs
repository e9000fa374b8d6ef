//! Telling the network what is here once more, after the server was put back to an older copy of its data.

use atproto_data::{SigningKey, Tid};

use super::activation::{sign_head, tell_active};
use super::lookup::find_by_id;
use super::status::{account_columns, announce_status};
use super::{Account, Accounts, ActivateError};
use crate::random;
use crate::store::{StoreError, Tx};

const NEXT: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM account a WHERE a.account_id > $1 ORDER BY a.account_id LIMIT $2"
);

impl Accounts {
    /// Up to `limit` accounts with numbers after this one, whatever their status, in the order of their numbers.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn next_after(&self, account_id: i64, limit: i64) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query(NEXT)
            .bind(account_id)
            .bind(limit)
            .fetch_all(&mut *self.0.store.read().await?)
            .await?;
        rows.iter().map(Account::from_row).collect()
    }

    /// Tells the network an account's status, and of an active one handle and repo too: with a fresh commit of the same tree, which is newer
    /// than any that was lost, so that whoever knows those reads the repo again. The caller holds the repo's lock and drops what is cached
    /// of the repo afterwards.
    ///
    /// # Errors
    /// If the account's key cannot be opened or the database fails.
    pub async fn resync(&self, account: &Account) -> Result<(), ActivateError> {
        let key = self.open_signing_key(&account.did).await?;
        let clock_id = u16::from_be_bytes(random::bytes(&*self.0.random));
        let tid = Tid::from_parts(self.0.clock.now_micros().unsigned_abs(), clock_id);
        let account_id = account.account_id;
        let done = self
            .0
            .store
            .change(move |tx| Box::pin(async move { tell(tx, account_id, &key, tid).await }));
        Ok(done.await?)
    }
}

async fn tell(tx: &mut Tx<'_>, account_id: i64, key: &SigningKey, tid: Tid) -> Result<(), StoreError> {
    let Some(account) = find_by_id(tx.connection(), account_id).await? else {
        return Ok(());
    };
    if !account.status.is_active() {
        return announce_status(tx, &account).await;
    }
    let head = sign_head(tx.connection(), &account, key, tid).await?;
    tell_active(tx, &account, &head).await
}
