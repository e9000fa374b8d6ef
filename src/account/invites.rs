//! Invite codes: each is good for a number of accounts.

use sqlx::{Row as _, SqliteConnection};

use super::Accounts;
use crate::random;
use crate::store::StoreError;

/// Whom codes belong to that were made by the administrator for nobody in particular.
pub const ADMIN: &str = "admin";

/// Letters in each of a code's two random parts.
const PART: usize = 5;

/// Why an invite code cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// None was given, but one is needed.
    #[error("No invite code provided")]
    Missing,
    /// It is unknown, used up or disabled.
    #[error("Provided invite code not available")]
    NotAvailable,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Makes `count` codes for each of `owners` ([`ADMIN`] or DIDs), each good for `uses` accounts. Returns owners with their codes.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn create_invites(
        &self,
        owners: Vec<String>,
        count: usize,
        uses: i64,
    ) -> Result<Vec<(String, Vec<String>)>, StoreError> {
        let now = self.0.clock.now_micros();
        let invites: Vec<(String, Vec<String>)> = owners
            .into_iter()
            .map(|owner| {
                (
                    owner,
                    std::iter::repeat_with(|| self.new_invite_code()).take(count).collect(),
                )
            })
            .collect();
        let stored = self.0.store.change(move |tx| {
            Box::pin(async move {
                for (owner, codes) in &invites {
                    for code in codes {
                        let invite = NewInvite {
                            code,
                            owner,
                            uses,
                            created_by: ADMIN,
                            is_disabled: false,
                        };
                        insert(tx.connection(), &invite, now).await?;
                    }
                }
                Ok::<_, StoreError>(invites)
            })
        });
        stored.await
    }

    /// `<hostname with - for .>-xxxxx-xxxxx`.
    pub(super) fn new_invite_code(&self) -> String {
        let [first, second] = [(); 2].map(|()| random::base32::<PART>(&*self.0.random));
        format!("{}-{first}-{second}", self.0.settings.hostname.replace('.', "-"))
    }
}

/// A code to be stored.
pub(super) struct NewInvite<'i> {
    pub(super) code: &'i str,
    /// [`ADMIN`] or a DID.
    pub(super) owner: &'i str,
    pub(super) uses: i64,
    /// [`ADMIN`], or the owner's DID if the code was earned.
    pub(super) created_by: &'i str,
    pub(super) is_disabled: bool,
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    invite: &NewInvite<'_>,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO invite_code (code, available_uses, disabled, for_account, created_by, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(invite.code)
    .bind(invite.uses)
    .bind(i64::from(invite.is_disabled))
    .bind(invite.owner)
    .bind(invite.created_by)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a use of the code is left, counting accounts that are being created.
pub(super) async fn check(connection: &mut SqliteConnection, code: &str) -> Result<(), InviteError> {
    let row = sqlx::query(
        "SELECT i.available_uses - (SELECT count(*) FROM invite_code_use u WHERE u.code = i.code) \
         - (SELECT count(*) FROM pending_account p WHERE p.invite_code = i.code AND p.state = 'creating') \
         FROM invite_code i LEFT JOIN account owner ON owner.did = i.for_account \
         WHERE i.code = $1 AND i.disabled = 0 AND owner.takedown_ref IS NULL",
    )
    .bind(code)
    .fetch_optional(connection)
    .await
    .map_err(StoreError::from)?;
    let left: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(StoreError::from)?;
    if left > 0 {
        Ok(())
    } else {
        Err(InviteError::NotAvailable)
    }
}

/// Notes that an account was made with the code.
pub(super) async fn mark_used(
    connection: &mut SqliteConnection,
    code: &str,
    did: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO invite_code_use (code, used_by, used_at) VALUES ($1, $2, $3)")
        .bind(code)
        .bind(did)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}
