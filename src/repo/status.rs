//! What the network may know of each repo: head, rev and status.

use atproto_data::{Cid, Tid};
use sqlx::Row as _;

use super::load::{cid_column, rev_column};
use super::{RepoError, Repos};

/// Status of an account as the network sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoStatus {
    /// In use.
    Active,
    /// Switched off by its owner.
    Deactivated,
    /// Taken down by a moderator.
    TakenDown,
}

impl RepoStatus {
    /// The word of `com.atproto.sync.*`; none for an active account.
    pub fn word(self) -> Option<&'static str> {
        match self {
            RepoStatus::Active => None,
            RepoStatus::Deactivated => Some("deactivated"),
            RepoStatus::TakenDown => Some("takendown"),
        }
    }
}

/// A line of `com.atproto.sync.listRepos`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRepo {
    /// Place in the listing; the cursor is the last one's.
    pub account_id: i64,
    /// Whose.
    pub did: String,
    /// CID of the head commit.
    pub head: Cid,
    /// Its rev.
    pub rev: Tid,
    /// Whether it may be read.
    pub status: RepoStatus,
}

impl Repos {
    /// The CID and rev of a repo's head commit.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn head(&self, repo_id: i64) -> Result<Option<(Cid, Tid)>, RepoError> {
        let row = sqlx::query("SELECT commit_cid, rev FROM repo WHERE repo_id = $1")
            .bind(repo_id)
            .fetch_optional(&mut *self.0.store.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((cid_column(row.try_get(0)?)?, rev_column(row.try_get(1)?))))
    }

    /// The repo that an account has now.
    pub(super) async fn attached_to(&self, account_id: i64) -> Result<Option<i64>, RepoError> {
        let row = sqlx::query("SELECT repo_id FROM account WHERE account_id = $1")
            .bind(account_id)
            .fetch_optional(&mut *self.0.store.read().await?)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// All repos behind a place in the listing, oldest account first, whatever their status.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(&self, after: i64, limit: u32) -> Result<Vec<ListedRepo>, RepoError> {
        let rows = sqlx::query(
            "SELECT a.account_id, a.did, a.deactivated_at, a.takedown_ref, r.commit_cid, r.rev \
             FROM account a JOIN repo r ON r.repo_id = a.repo_id WHERE a.account_id > $1 ORDER BY a.account_id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.0.store.read().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let deactivated: Option<i64> = row.try_get(2)?;
                let taken_down: Option<&str> = row.try_get(3)?;
                Ok(ListedRepo {
                    account_id: row.try_get(0)?,
                    did: row.try_get(1)?,
                    head: cid_column(row.try_get(4)?)?,
                    rev: rev_column(row.try_get(5)?),
                    status: match (taken_down, deactivated) {
                        (Some(_), _) => RepoStatus::TakenDown,
                        (None, Some(_)) => RepoStatus::Deactivated,
                        (None, None) => RepoStatus::Active,
                    },
                })
            })
            .collect()
    }
}
