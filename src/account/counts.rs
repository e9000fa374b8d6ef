//! How many accounts there are.

use sqlx::{Row as _, SqliteConnection};

use crate::store::StoreError;

/// Accounts by status. A deleted one is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounts {
    /// Active ones.
    pub active: u64,
    /// Switched off by their owners, not taken down.
    pub deactivated: u64,
    /// Taken down, whether or not their owners switched them off.
    pub taken_down: u64,
    /// Sign-ups that wait for the PLC directory.
    pub pending: u64,
}

impl AccountCounts {
    /// All that are not pending.
    pub fn total(self) -> u64 {
        self.active + self.deactivated + self.taken_down
    }
}

/// Counts the accounts of a database.
///
/// # Errors
/// If it cannot be read.
pub async fn count_accounts(connection: &mut SqliteConnection) -> Result<AccountCounts, StoreError> {
    let row = sqlx::query(
        "SELECT count(*), count(takedown_ref), count(CASE WHEN takedown_ref IS NULL THEN deactivated_at END), \
         (SELECT count(*) FROM pending_account) FROM account",
    )
    .fetch_one(connection)
    .await?;
    let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let (all, taken_down, deactivated) = (number(0)?, number(1)?, number(2)?);
    Ok(AccountCounts {
        active: all.saturating_sub(taken_down + deactivated),
        deactivated,
        taken_down,
        pending: number(3)?,
    })
}
