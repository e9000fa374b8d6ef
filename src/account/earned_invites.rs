//! Invite codes that accounts earn by being here.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection};

use super::invite_codes::codes;
use super::invites::{NewInvite, insert};
use super::{ADMIN, Account, Accounts, InviteCode};
use crate::store::StoreError;

/// An account does not earn more while so many of its codes are unused.
const MAX_UNUSED: i64 = 5;

/// How accounts earn invite codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteEarning {
    /// One each time this has passed (`PDS_INVITE_INTERVAL`).
    pub interval: Duration,
    /// Time before this does not count, µs since 1970 (`PDS_INVITE_EPOCH`).
    pub epoch: i64,
}

impl Accounts {
    /// An account's invite codes, whatever is left of them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn invites_of(&self, account: &Account) -> Result<Vec<InviteCode>, StoreError> {
        owned(&mut *self.0.store.read().await?, account).await
    }

    /// Makes the codes that an account has earned and not got yet. Where no invite is needed to sign up, none is earned.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn mint_earned_invites(&self, account: &Account) -> Result<(), StoreError> {
        let settings = &self.0.settings;
        let Some(earning) = settings.invite_earning.filter(|_| settings.invite_required) else {
            return Ok(());
        };
        let now = self.0.clock.now_micros();
        let mut reader = self.0.store.read().await?;
        if due(&mut reader, account, earning, now).await?.count == 0 {
            return Ok(());
        }
        drop(reader);
        let new: Vec<String> = (0..MAX_UNUSED).map(|_| self.new_invite_code()).collect();
        let account = account.clone();
        let minted = self.0.store.change(move |tx| {
            Box::pin(async move {
                // Counted again: of several calls at once only one may mint.
                let due = due(tx.connection(), &account, earning, now).await?;
                for code in new.iter().take(due.count) {
                    let owner = account.did.as_str();
                    let invite = NewInvite {
                        code,
                        owner,
                        uses: 1,
                        created_by: owner,
                        is_disabled: due.are_disabled,
                    };
                    insert(tx.connection(), &invite, now).await?;
                }
                Ok(())
            })
        });
        minted.await
    }
}

/// Codes that an account is to get.
struct Due {
    count: usize,
    /// The account earns them all the same while its invites are disabled, but they are good for nothing.
    are_disabled: bool,
}

async fn due(
    connection: &mut SqliteConnection,
    account: &Account,
    earning: InviteEarning,
    now: i64,
) -> Result<Due, StoreError> {
    let row = sqlx::query("SELECT created_at, invites_disabled FROM account WHERE account_id = $1")
        .bind(account.account_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        return Ok(Due {
            count: 0,
            are_disabled: true,
        });
    };
    let codes = owned(connection, account).await?;
    Ok(Due {
        count: count_due(&codes, earning, row.try_get(0)?, now),
        are_disabled: row.try_get::<i64, _>(1)? != 0,
    })
}

async fn owned(connection: &mut SqliteConnection, account: &Account) -> Result<Vec<InviteCode>, StoreError> {
    codes(connection, "for_account IN (", &[account.did.to_string()]).await
}

/// How many codes an account is to get that was made at `created_at`. Codes that an administrator gave do not count.
fn count_due(codes: &[InviteCode], earning: InviteEarning, created_at: i64, now: i64) -> usize {
    let interval = i64::try_from(earning.interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let intervals_until = |time: i64| time.saturating_sub(created_at).max(0) / interval;
    let earned = intervals_until(now) - intervals_until(earning.epoch);
    let routine = || codes.iter().filter(|code| code.created_by != ADMIN);
    let got = routine().filter(|code| code.created_at > earning.epoch).count();
    let is_unused = |code: &&InviteCode| !code.disabled && code.has_uses_left();
    let unused = routine().filter(is_unused).count();
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let due = (MAX_UNUSED - count(unused)).min(earned - count(got));
    usize::try_from(due).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1_000_000;

    fn code(created_by: &str, created_at: i64, uses: usize) -> InviteCode {
        InviteCode {
            code: "code".to_owned(),
            available_uses: 1,
            disabled: false,
            for_account: "did:web:a.test".to_owned(),
            created_by: created_by.to_owned(),
            created_at,
            uses: vec![("did:web:b.test".to_owned(), created_at); uses],
        }
    }

    #[test]
    fn codes_are_earned_by_whole_intervals_since_the_epoch() {
        let own = "did:web:a.test";
        let earning = |epoch| InviteEarning {
            interval: Duration::from_hours(24),
            epoch,
        };
        let now = 100 * DAY;
        // Codes, epoch, when the account was made, how many are due.
        let cases = [
            (vec![], 0, now, 0),
            (vec![], 0, now - DAY + 1, 0),
            (vec![], 0, now - DAY, 1),
            (vec![], 0, now - 3 * DAY, 3),
            (vec![], 0, 0, 5),
            (vec![], now - 2 * DAY, 0, 2),
            (vec![], now + DAY, 0, 0),
            (vec![], now + DAY, now - 3 * DAY, 0),
            (vec![code(own, now - DAY, 0)], 0, now - 3 * DAY, 2),
            (vec![code(ADMIN, now - DAY, 0)], 0, now - 3 * DAY, 3),
            (vec![code(own, now - 50 * DAY, 1)], now - 3 * DAY, 0, 3),
            (vec![code(own, now - DAY, 0); 5], 0, 0, 0),
            (vec![code(own, now - DAY, 1); 5], 0, 0, 5),
            (vec![code(own, now - DAY, 1); 99], 0, 0, 1),
            (vec![code(own, now - DAY, 1); 200], 0, 0, 0),
        ];
        for (index, (codes, epoch, created_at, expected)) in cases.into_iter().enumerate() {
            assert_eq!(
                count_due(&codes, earning(epoch), created_at, now),
                expected,
                "case {index}"
            );
        }
    }
}
