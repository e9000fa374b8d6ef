//! Accounts as their administrators and moderators see them.

use std::collections::HashMap;

use atproto_data::Did;
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::invite_codes::codes;
use super::{Account, Accounts, InviteCode};
use crate::store::{Db, Row, StoreError};

/// An account with what only administrators may see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeratedAccount {
    /// The account.
    pub account: Account,
    /// When it was made, µs since 1970.
    pub created_at: i64,
    /// When its e-mail address was confirmed, µs since 1970.
    pub email_confirmed_at: Option<i64>,
    /// When it was switched off, µs since 1970.
    pub deactivated_at: Option<i64>,
    /// The reference of its takedown.
    pub takedown: Option<String>,
    /// Whether it may get no more invite codes.
    pub invites_disabled: bool,
    /// The code with which it was made.
    pub invited_by: Option<InviteCode>,
    /// Its own codes.
    pub invites: Vec<InviteCode>,
}

/// Which accounts to search for.
#[derive(Clone, Debug)]
pub struct AccountSearch {
    /// Part of the e-mail address, in any case; all accounts without.
    pub email: Option<String>,
    /// Only those behind this account.
    pub after: i64,
    /// At most so many.
    pub limit: u16,
}

/// What is read behind the columns of an account.
const COLUMNS: &str = concat!(
    "SELECT ",
    super::status::account_columns!(),
    ", a.created_at, a.email_confirmed_at, a.deactivated_at, a.takedown_ref, a.invites_disabled FROM account a WHERE "
);

impl Accounts {
    /// The accounts among some DIDs, in their order.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn moderated(&self, dids: &[Did]) -> Result<Vec<ModeratedAccount>, StoreError> {
        let mut query = QueryBuilder::<Db>::new(COLUMNS);
        query.push("a.did IN (");
        let mut list = query.separated(", ");
        for did in dids {
            list.push_bind(did.as_str());
        }
        query.push(")");
        let mut reader = self.0.store.read().await?;
        let rows = query.build().fetch_all(&mut *reader).await?;
        let accounts = with_invites(&mut reader, &rows).await?;
        let place = |account: &ModeratedAccount| dids.iter().position(|did| *did == account.account.did);
        let mut ordered: Vec<_> = accounts.into_iter().map(|account| (place(&account), account)).collect();
        ordered.sort_by_key(|(place, _)| *place);
        Ok(ordered.into_iter().map(|(_, account)| account).collect())
    }

    /// Accounts by their e-mail address, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn search(&self, search: &AccountSearch) -> Result<Vec<ModeratedAccount>, StoreError> {
        let mut query = QueryBuilder::<Db>::new(COLUMNS);
        query.push("a.account_id > ").push_bind(search.after);
        if let Some(email) = &search.email {
            let pattern = format!("%{}%", escape_like(&super::email::key(email)));
            query
                .push(" AND a.email_key LIKE ")
                .push_bind(pattern)
                .push(" ESCAPE '!'");
        }
        query
            .push(" ORDER BY a.account_id LIMIT ")
            .push_bind(i64::from(search.limit));
        let mut reader = self.0.store.read().await?;
        let rows = query.build().fetch_all(&mut *reader).await?;
        with_invites(&mut reader, &rows).await
    }
}

/// A text as a pattern of SQL's LIKE that means just itself, with `!` as the escape character.
fn escape_like(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

async fn with_invites(connection: &mut SqliteConnection, rows: &[Row]) -> Result<Vec<ModeratedAccount>, StoreError> {
    let mut accounts = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    if accounts.is_empty() {
        return Ok(accounts);
    }
    let dids: Vec<String> = accounts.iter().map(|account| account.account.did.to_string()).collect();
    let mut owned: HashMap<String, Vec<InviteCode>> = HashMap::new();
    for code in codes(connection, "for_account IN (", &dids).await? {
        owned.entry(code.for_account.clone()).or_default().push(code);
    }
    let used = codes(
        connection,
        "code IN (SELECT code FROM invite_code_use WHERE used_by IN (",
        &dids,
    )
    .await?;
    for account in &mut accounts {
        let did = account.account.did.as_str();
        let is_user = |code: &&InviteCode| code.uses.iter().any(|(user, _)| user == did);
        account.invited_by = used.iter().find(is_user).cloned();
        account.invites = owned.remove(did).unwrap_or_default();
    }
    Ok(accounts)
}

fn from_row(row: &Row) -> Result<ModeratedAccount, StoreError> {
    let column = |index: usize| Account::COLUMNS + index;
    Ok(ModeratedAccount {
        account: Account::from_row(row)?,
        created_at: row.try_get(column(0))?,
        email_confirmed_at: row.try_get(column(1))?,
        deactivated_at: row.try_get(column(2))?,
        takedown: row.try_get(column(3))?,
        invites_disabled: row.try_get::<i64, _>(column(4))? != 0,
        invited_by: None,
        invites: Vec::new(),
    })
}
