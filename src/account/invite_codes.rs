//! Invite codes as their owners and administrators see them.

use atproto_data::Did;
use sqlx::{QueryBuilder, Row as _, SqliteConnection};

use super::Accounts;
use crate::store::{Db, StoreError};

/// An invite code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteCode {
    /// The code.
    pub code: String,
    /// How many accounts it is good for, used or not.
    pub available_uses: i64,
    /// Whether it is good for no more.
    pub disabled: bool,
    /// Whose it is: a DID, or [`ADMIN`](super::ADMIN).
    pub for_account: String,
    /// Who made it.
    pub created_by: String,
    /// When, µs since 1970.
    pub created_at: i64,
    /// The DIDs of the accounts made with it and when, µs since 1970; the newest first.
    pub uses: Vec<(String, i64)>,
}

impl InviteCode {
    /// Whether more accounts could be made with it, if it is not disabled.
    pub fn has_uses_left(&self) -> bool {
        i64::try_from(self.uses.len()).is_ok_and(|uses| uses < self.available_uses)
    }
}

/// How administrators page through all codes, each with where the last page ended: the last code and what it is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InviteOrder {
    /// The newest first, by µs since 1970.
    Recent(Option<(i64, String)>),
    /// The most used first, by the number of uses.
    Usage(Option<(i64, String)>),
}

const RECENT: &str = "SELECT i.code FROM invite_code i WHERE (i.created_at, i.code) < ($1, $2) \
     ORDER BY i.created_at DESC, i.code DESC LIMIT $3";
const USAGE: &str = "SELECT code FROM (SELECT i.code, (SELECT count(*) FROM invite_code_use u WHERE u.code = i.code) AS uses \
     FROM invite_code i) AS counted WHERE (uses, code) < ($1, $2) ORDER BY uses DESC, code DESC LIMIT $3";

impl Accounts {
    /// A page of all codes.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn invite_codes(&self, order: InviteOrder, limit: u16) -> Result<Vec<InviteCode>, StoreError> {
        let (sql, after) = match order {
            InviteOrder::Recent(after) => (RECENT, after),
            InviteOrder::Usage(after) => (USAGE, after),
        };
        let (value, code) = after.unwrap_or((i64::MAX, String::new()));
        let mut reader = self.0.store.read().await?;
        let rows = sqlx::query(sql)
            .bind(value)
            .bind(code)
            .bind(i64::from(limit))
            .fetch_all(&mut *reader)
            .await?;
        let page: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = codes(&mut reader, "code IN (", &page).await?;
        found.sort_by_key(|code| page.iter().position(|name| *name == code.code));
        Ok(found)
    }

    /// Makes some codes, and all codes of some accounts, good for no more accounts. Unknown ones are passed over.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn disable_invites(&self, codes: Vec<String>, owners: Vec<String>) -> Result<(), StoreError> {
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                for (column, names) in [("code", codes), ("for_account", owners)] {
                    disable(tx.connection(), column, &names).await?;
                }
                Ok(())
            })
        });
        done.await
    }

    /// Lets an account earn invite codes that are good for something.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn enable_account_invites(&self, did: &Did) -> Result<(), StoreError> {
        self.switch_invites(did, 0).await
    }

    /// Lets an account earn invite codes only that are good for nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn disable_account_invites(&self, did: &Did) -> Result<(), StoreError> {
        self.switch_invites(did, 1).await
    }

    async fn switch_invites(&self, did: &Did, disabled: i64) -> Result<(), StoreError> {
        let did = did.clone();
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE account SET invites_disabled = $1 WHERE did = $2")
                    .bind(disabled)
                    .bind(did.as_str())
                    .execute(tx.connection())
                    .await?;
                Ok(())
            })
        });
        done.await
    }
}

async fn disable(connection: &mut SqliteConnection, column: &str, names: &[String]) -> Result<(), StoreError> {
    /// Names in one statement.
    const CHUNK: usize = 500;
    for chunk in names.chunks(CHUNK) {
        let mut query = QueryBuilder::<Db>::new("UPDATE invite_code SET disabled = 1 WHERE ");
        query.push(column).push(" IN (");
        let mut list = query.separated(", ");
        for name in chunk {
            list.push_bind(name);
        }
        query.push(")").build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// The codes that a condition, which ends in an open list of names, picks; the oldest first.
pub(super) async fn codes(
    connection: &mut SqliteConnection,
    condition: &str,
    names: &[String],
) -> Result<Vec<InviteCode>, StoreError> {
    let mut query = QueryBuilder::<Db>::new(
        "SELECT i.code, i.available_uses, i.disabled, i.for_account, i.created_by, i.created_at, u.used_by, u.used_at \
         FROM invite_code i LEFT JOIN invite_code_use u ON u.code = i.code WHERE i.",
    );
    query.push(condition);
    let mut list = query.separated(", ");
    for name in names {
        list.push_bind(name);
    }
    for _ in condition.matches('(') {
        query.push(")");
    }
    query.push(" ORDER BY i.created_at, i.code, u.used_at DESC, u.used_by");
    let mut found: Vec<InviteCode> = Vec::new();
    for row in query.build().fetch_all(connection).await? {
        let code: String = row.try_get(0)?;
        if found.last().is_none_or(|last| last.code != code) {
            found.push(InviteCode {
                code,
                available_uses: row.try_get(1)?,
                disabled: row.try_get::<i64, _>(2)? != 0,
                for_account: row.try_get(3)?,
                created_by: row.try_get(4)?,
                created_at: row.try_get(5)?,
                uses: Vec::new(),
            });
        }
        if let (Some(user), Some(last)) = (row.try_get::<Option<String>, _>(6)?, found.last_mut()) {
            last.uses.push((user, row.try_get(7)?));
        }
    }
    Ok(found)
}
