//! Finding accounts.

use atproto_data::{AtIdentifier, Did, Handle};
use sqlx::SqliteConnection;

use super::status::account_columns;
use super::{Account, Accounts, email};
use crate::store::{Columns as _, Found, Store, StoreError, UntilChange};

/// Accounts in memory, half a kilobyte each: by DID and by handle.
const KEPT_ACCOUNTS: u64 = 4_096;

const BY_DID: &str = concat!("SELECT ", account_columns!(), " FROM account a WHERE a.did = $1");
const BY_HANDLE: &str = concat!("SELECT ", account_columns!(), " FROM account a WHERE a.handle = $1");

const BY_EMAIL: &str = concat!("SELECT ", account_columns!(), " FROM account a WHERE a.email_key = $1");

const BY_ID: &str = concat!("SELECT ", account_columns!(), " FROM account a WHERE a.account_id = $1");

/// For login, which needs the password's hash too.
const LOGIN_BY_DID: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", a.password_hash FROM account a WHERE a.did = $1"
);
const LOGIN_BY_HANDLE: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", a.password_hash FROM account a WHERE a.handle = $1"
);
const LOGIN_BY_EMAIL: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", a.password_hash FROM account a WHERE a.email_key = $1"
);

/// Accounts that somebody asked for, by DID or by handle as it was given.
pub(super) type KnownAccounts = UntilChange<String, Account>;

/// A place for the accounts that are asked for.
pub(super) fn known_accounts(store: &Store) -> KnownAccounts {
    store.until_change(KEPT_ACCOUNTS)
}

impl Accounts {
    /// The account with a DID or handle, whatever its status.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find(&self, identifier: &AtIdentifier) -> Result<Option<Account>, StoreError> {
        match identifier {
            AtIdentifier::Did(did) => self.find_did(did).await,
            AtIdentifier::Handle(handle) => self.find_handle(handle).await,
        }
    }

    /// The account with a DID, whatever its status.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find_did(&self, did: &Did) -> Result<Option<Account>, StoreError> {
        self.find_known(BY_DID, did.as_str()).await
    }

    /// The account with a handle, whatever its status.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find_handle(&self, handle: &Handle) -> Result<Option<Account>, StoreError> {
        self.find_known(BY_HANDLE, handle.as_str()).await
    }

    /// The account with an e-mail address in any case, whatever its status.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find_email(&self, address: &str) -> Result<Option<Account>, StoreError> {
        self.find_one(BY_EMAIL, &email::key(address)).await
    }

    async fn find_known(&self, sql: &'static str, key: &str) -> Result<Option<Account>, StoreError> {
        let known = &self.0.known_accounts;
        if let Some(account) = known.get(key) {
            return Ok(Some(account));
        }
        let as_of = known.as_of();
        let found = self.find_one(sql, key).await?;
        if let Some(account) = &found {
            known.keep(key.to_owned(), as_of, account.clone());
        }
        Ok(found)
    }

    async fn find_one(&self, sql: &'static str, key: &str) -> Result<Option<Account>, StoreError> {
        self.0
            .store
            .look_up_one(sql, [key.into()], |row| Account::from_row(row))
            .await
    }

    /// The account that somebody who logs in means by the [`login_key`] of a handle, DID or e-mail address, and its password's hash.
    pub(super) async fn find_login(&self, key: &str) -> Result<Option<(Account, Option<String>)>, StoreError> {
        let sql = if key.contains('@') {
            LOGIN_BY_EMAIL
        } else if key.starts_with("did:") {
            LOGIN_BY_DID
        } else {
            LOGIN_BY_HANDLE
        };
        let read = |row: &Found<'_>| Ok((Account::from_row(row)?, row.column(Account::COLUMNS)?));
        self.0.store.look_up_one(sql, [key.into()], read).await
    }
}

/// The one spelling of what somebody logs in with. Of did:web and did:plc, the only DIDs here, case matters in neither.
pub(super) fn login_key(identifier: &str) -> String {
    // Of what has no `@` that is the text in lower case.
    email::key(identifier)
}

/// The account with a number, as the running change sees it.
pub(super) async fn find_by_id(
    connection: &mut SqliteConnection,
    account_id: i64,
) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query(BY_ID).bind(account_id).fetch_optional(connection).await?;
    row.as_ref().map(Account::from_row).transpose()
}
