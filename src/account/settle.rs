//! Ending what account creation left half-made: rows in state `unsettled` that nobody came back for.

use atproto_data::Did;
use atproto_plc::UnsignedOperation;
use sqlx::SqliteConnection;

use super::Accounts;
use super::pending::{COLUMNS, Pending};
use crate::identity::PlcError;
use crate::store::StoreError;

/// Age at which the job ends what is unsettled, µs: long enough to try again, longer than any request lasts.
const SETTLE_AFTER: i64 = 10 * 60 * 1_000_000;
/// Rows that one run of the job looks at.
const SETTLE_BATCH: i64 = 50;

/// What the job did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// DIDs that the directory never heard of: forgotten.
    pub forgotten: usize,
    /// DIDs that the directory had: tombstoned.
    pub tombstoned: usize,
    /// DIDs of which nothing could be learnt: asked again next time.
    pub left: usize,
}

impl Accounts {
    /// Ends what failed tries left and nobody came back for: a DID that the directory has is tombstoned, so that none is left without
    /// an account. For a job to call at start and every minute.
    ///
    /// # Errors
    /// If the database fails. A directory that fails is asked again next time.
    pub async fn settle_abandoned(&self) -> Result<Settled, StoreError> {
        let before = self.0.clock.now_micros().saturating_sub(SETTLE_AFTER);
        let claimed = self
            .0
            .store
            .change(move |tx| Box::pin(claim_abandoned(tx.connection(), before)))
            .await?;
        let mut settled = Settled::default();
        for pending in claimed {
            match self.settle(&pending).await {
                Ok(count) => {
                    *count.of(&mut settled) += 1;
                    self.end_settling(
                        &pending.did,
                        "DELETE FROM pending_account WHERE did = $1 AND state = 'settling'",
                    )
                    .await?;
                }
                Err(error) => {
                    tracing::warn!(%error, did = %pending.did, "an abandoned DID is not settled yet");
                    settled.left += 1;
                    let sql = "UPDATE pending_account SET state = 'unsettled', invite_code = NULL WHERE did = $1 AND state = 'settling'";
                    self.end_settling(&pending.did, sql).await?;
                }
            }
        }
        Ok(settled)
    }

    async fn settle(&self, pending: &Pending) -> Result<Ending, PlcError> {
        let ours = pending.operation.cid();
        match self.0.plc.last_operation(&pending.did).await? {
            None => Ok(Ending::Forgotten),
            Some(last) if last.cid() == ours => {
                let tombstone = UnsignedOperation::tombstone(ours).sign(&self.0.settings.plc_rotation_key);
                self.0.plc.submit(&pending.did, &tombstone).await?;
                tracing::info!(did = %pending.did, "tombstoned an abandoned DID");
                Ok(Ending::Tombstoned)
            }
            Some(last) if last.is_tombstone() => Ok(Ending::Tombstoned),
            Some(_) => {
                tracing::warn!(did = %pending.did, "an abandoned DID was changed with a rotation key and is left alone");
                Ok(Ending::Forgotten)
            }
        }
    }

    async fn end_settling(&self, did: &Did, sql: &'static str) -> Result<(), StoreError> {
        let did = did.clone();
        let ended = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query(sql).bind(did.as_str()).execute(tx.connection()).await?;
                Ok(())
            })
        });
        ended.await
    }
}

/// How an abandoned DID ended.
enum Ending {
    Forgotten,
    Tombstoned,
}

impl Ending {
    fn of<'s>(&self, settled: &'s mut Settled) -> &'s mut usize {
        match self {
            Ending::Forgotten => &mut settled.forgotten,
            Ending::Tombstoned => &mut settled.tombstoned,
        }
    }
}

/// Claims old rows, so that nobody takes them over while the directory is asked. Rows still in state `creating` belong to requests that
/// were never told to stop.
async fn claim_abandoned(connection: &mut SqliteConnection, before: i64) -> Result<Vec<Pending>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM pending_account WHERE created_at <= $1 AND state <> 'settling' ORDER BY created_at LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(before)
        .bind(SETTLE_BATCH)
        .fetch_all(&mut *connection)
        .await?;
    let claimed: Vec<Pending> = rows.iter().map(Pending::from_row).collect::<Result<_, _>>()?;
    for pending in &claimed {
        sqlx::query("UPDATE pending_account SET state = 'settling', invite_code = NULL WHERE did = $1")
            .bind(pending.did.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(claimed)
}
