//! Files that a run of the server put into their places and had no time to make rows for.

use std::sync::atomic::Ordering;

use atproto_data::{Cid, Did};
use sqlx::{Row as _, SqliteConnection};

use super::files::BlobFiles;
use super::{Blobs, rows};
use crate::store::StoreError;

/// Accounts looked up at a time.
const BATCH: i64 = 100;

/// An account that uploaded, and in which run.
#[derive(Clone)]
struct Uploader {
    run: i64,
    did: Did,
}

impl Blobs {
    /// Looks, once, through the directories into which earlier runs put uploads and removes what no row names; says how many files that were.
    /// A directory that cannot be read is left to the next run.
    ///
    /// # Errors
    /// If the database fails; then this is to be called again.
    pub(super) async fn remove_strays(&self) -> Result<u64, StoreError> {
        let BlobFiles::Disk(disk) = &self.0.files else {
            return Ok(0);
        };
        let (mut removed, mut last) = (0, None);
        while self.0.strays.load(Ordering::Relaxed) {
            let run = self.run().await?;
            let batch = uploaders(&mut *self.0.store.read().await?, last.as_ref(), run).await?;
            last = batch.last().cloned();
            self.0.strays.store(last.is_some(), Ordering::Relaxed);
            let mut done = Vec::new();
            for uploader in batch {
                match disk.list(&uploader.did).await {
                    Ok(cids) => {
                        for cid in cids {
                            removed += self.remove_stray(&uploader.did, &cid).await?;
                        }
                        done.push(uploader);
                    }
                    Err(error) => {
                        tracing::warn!(did = %uploader.did, %error, "files without rows cannot be looked for");
                    }
                }
            }
            self.forget(done).await?;
        }
        Ok(removed)
    }

    /// Removes a file unless it has a row; says how many files that were.
    async fn remove_stray(&self, did: &Did, cid: &Cid) -> Result<u64, StoreError> {
        let _lock = self.0.locks.lock((did.clone(), *cid)).await;
        if rows::find(&self.0.store, did, cid).await?.is_some() {
            return Ok(0);
        }
        match self.0.files.delete(did, cid).await {
            Ok(()) => Ok(1),
            Err(error) => {
                tracing::warn!(%did, %cid, %error, "a file without a row cannot be removed");
                Ok(0)
            }
        }
    }

    /// Nothing is to be looked for there any more.
    async fn forget(&self, uploaders: Vec<Uploader>) -> Result<(), StoreError> {
        let forgotten = self.0.store.change(move |tx| {
            Box::pin(async move {
                for Uploader { run, did } in uploaders {
                    let forget = sqlx::query("DELETE FROM blob_uploader WHERE run = $1 AND did = $2");
                    let done = forget.bind(run).bind(did.as_str()).execute(tx.connection());
                    done.await.map_err(StoreError::from)?;
                }
                Ok(())
            })
        });
        forgotten.await
    }
}

/// The next accounts that uploaded before a run.
async fn uploaders(
    connection: &mut SqliteConnection,
    after: Option<&Uploader>,
    run: i64,
) -> Result<Vec<Uploader>, StoreError> {
    let (last_run, last_did) = after.map_or((0, ""), |last| (last.run, last.did.as_str()));
    let rows = sqlx::query(
        "SELECT run, did FROM blob_uploader WHERE run < $1 AND (run, did) > ($2, $3) ORDER BY run, did LIMIT $4",
    )
    .bind(run)
    .bind(last_run)
    .bind(last_did)
    .bind(BATCH)
    .fetch_all(connection)
    .await?;
    let uploader = |row: &crate::store::Row| {
        let did: &str = row.try_get(1)?;
        let did = did
            .parse()
            .map_err(|_| StoreError::Damaged("DID of an account that uploaded".to_owned()))?;
        Ok(Uploader {
            run: row.try_get(0)?,
            did,
        })
    };
    rows.iter().map(uploader).collect()
}
