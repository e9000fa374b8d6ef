//! Taking single records down: they stay in the repo, signed as they are, but `getRecord` and `listRecords` do not show them.

use atproto_data::{Cid, Nsid, RecordKey};
use sqlx::Row as _;

use super::load::cid_column;
use super::{RepoError, Repos};
use crate::store::StoreError;

/// A record as moderators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeratedRecord {
    /// CID of its content.
    pub cid: Cid,
    /// The reference of its takedown, if it is taken down.
    pub takedown: Option<String>,
}

impl Repos {
    /// Takes a record of an account down under a reference, or with `None` lets it up again. Says whether there is such a record.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_record_takedown(
        &self,
        account_id: i64,
        collection: &Nsid,
        rkey: &RecordKey,
        reference: Option<String>,
    ) -> Result<bool, RepoError> {
        let path = format!("{collection}/{rkey}");
        let done = self.0.store.change(move |tx| {
            Box::pin(async move {
                // Of the repo that the account has now: an import may have given it another one.
                let sql = "UPDATE record SET takedown_ref = $1 \
                     WHERE repo_id = (SELECT repo_id FROM account WHERE account_id = $2) AND path = $3";
                let updated = sqlx::query(sql)
                    .bind(reference)
                    .bind(account_id)
                    .bind(path)
                    .execute(tx.connection())
                    .await?;
                Ok::<_, StoreError>(updated.rows_affected() > 0)
            })
        });
        Ok(done.await?)
    }

    /// A record, taken down or not.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn moderated_record(
        &self,
        repo_id: i64,
        collection: &Nsid,
        rkey: &RecordKey,
    ) -> Result<Option<ModeratedRecord>, RepoError> {
        let row = sqlx::query("SELECT cid, takedown_ref FROM record WHERE repo_id = $1 AND path = $2")
            .bind(repo_id)
            .bind(format!("{collection}/{rkey}"))
            .fetch_optional(&mut *self.0.store.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ModeratedRecord {
            cid: cid_column(row.try_get(0)?)?,
            takedown: row.try_get(1)?,
        }))
    }
}
