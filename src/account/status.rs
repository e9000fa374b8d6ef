//! What an account is, and whether it is in use.

use atproto_data::{AtIdentifier, Did, Handle};
use atproto_repo::frame::{self, account_event};

use crate::store::{Columns, StoreError, Tx};

/// Whether an account is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Switched off by its owner.
    Deactivated,
    /// Taken down by a moderator.
    TakenDown,
}

impl AccountStatus {
    /// The `status` in answers; none for an active account.
    pub fn word(self) -> Option<&'static str> {
        match self {
            AccountStatus::Active => None,
            AccountStatus::Deactivated => Some("deactivated"),
            AccountStatus::TakenDown => Some("takendown"),
        }
    }

    /// Whether the account is in use.
    pub fn is_active(self) -> bool {
        self == AccountStatus::Active
    }
}

/// An account of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub account_id: i64,
    /// The number of its repo.
    pub repo_id: i64,
    /// Its DID.
    pub did: Did,
    /// Its handle.
    pub handle: Handle,
    /// Whether it is in use.
    pub status: AccountStatus,
    /// Its e-mail address, as its owner wrote it.
    pub email: String,
    /// Whether that address was confirmed.
    pub email_confirmed: bool,
    /// Whether logging in with the password needs a code that is mailed to it.
    pub email_factor: bool,
}

/// The columns of table `account`, called `a`, that [`Account::from_row`] reads, in its order.
macro_rules! account_columns {
    () => {
        "a.account_id, a.repo_id, a.did, a.handle, a.deactivated_at, a.takedown_ref, a.email, a.email_confirmed_at, \
         a.email_factor"
    };
}
pub(super) use account_columns;

impl Account {
    /// How many columns [`account_columns`] are: where those that a query adds begin.
    pub(super) const COLUMNS: usize = 9;

    /// Whether this is the account's DID or handle.
    pub fn is_named(&self, identifier: &AtIdentifier) -> bool {
        match identifier {
            AtIdentifier::Did(did) => *did == self.did,
            AtIdentifier::Handle(handle) => *handle == self.handle,
        }
    }

    pub(super) fn from_row(row: &impl Columns) -> Result<Account, StoreError> {
        let did: String = row.column(2)?;
        let handle: String = row.column(3)?;
        let deactivated_at: Option<i64> = row.column(4)?;
        let takedown_ref: Option<String> = row.column(5)?;
        let email_confirmed_at: Option<i64> = row.column(7)?;
        let status = match (takedown_ref, deactivated_at) {
            (Some(_), _) => AccountStatus::TakenDown,
            (None, Some(_)) => AccountStatus::Deactivated,
            (None, None) => AccountStatus::Active,
        };
        Ok(Account {
            account_id: row.column(0)?,
            repo_id: row.column(1)?,
            did: did
                .parse()
                .map_err(|_| StoreError::Damaged(format!("{did:?} is not a DID")))?,
            handle: handle
                .parse()
                .map_err(|_| StoreError::Damaged(format!("{handle:?} is not a handle")))?,
            status,
            email: row.column(6)?,
            email_confirmed: email_confirmed_at.is_some(),
            email_factor: row.column::<i64>(8)? != 0,
        })
    }
}

/// Tells the network whether an account is in use now.
pub(super) async fn announce_status(tx: &mut Tx<'_>, account: &Account) -> Result<(), StoreError> {
    let status = match account.status {
        AccountStatus::Active => None,
        AccountStatus::Deactivated => Some(frame::AccountStatus::Deactivated),
        AccountStatus::TakenDown => Some(frame::AccountStatus::Takendown),
    };
    let event = account_event(&account.did, status);
    tx.emit(account.account_id, account.repo_id, &event).await?;
    Ok(())
}
