//! Files that a run of the server put into their places and had no time to make rows for.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use atproto_data::{Cid, Did};
use sqlx::{Row as _, SqliteConnection};

use super::disk::DiskStore;
use super::files::BlobFiles;
use super::{Blobs, rows};
use crate::store::StoreError;

/// How old a file without a row must be before it is removed: whoever goes back to too old a copy of the database, and then to a newer one,
/// still has the blobs of the time between them.
const KEPT_FOR: Duration = Duration::from_hours(7 * 24);
/// Accounts looked up at a time.
const BATCH: i64 = 100;

/// An account that uploaded, and in which run.
#[derive(Clone)]
struct Uploader {
    run: i64,
    did: Did,
}

/// What became of a file.
enum Outcome {
    HasRow,
    Removed,
    /// It is too young, or cannot be removed now.
    Left,
}

impl Blobs {
    /// Looks through the directories into which earlier runs put uploads and removes what no row names, once it is [`KEPT_FOR`] old; says how
    /// many files that were.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn remove_strays(&self) -> Result<u64, StoreError> {
        let BlobFiles::Disk(disk) = &self.0.files else {
            return Ok(0);
        };
        if !self.0.strays.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let run = self.run().await?;
        let (mut removed, mut last, mut are_left) = (0, None, false);
        loop {
            let batch = uploaders(&mut *self.0.store.read().await?, last.as_ref(), run).await?;
            if batch.is_empty() {
                self.0.strays.store(are_left, Ordering::Relaxed);
                return Ok(removed);
            }
            last = batch.last().cloned();
            let mut done = Vec::new();
            for uploader in batch {
                let (files, left) = self.remove_strays_of(disk, &uploader.did).await?;
                removed += files;
                if left == 0 {
                    done.push(uploader);
                } else {
                    are_left = true;
                }
            }
            self.forget(done).await?;
        }
    }

    /// Says how many files of an account were removed, and how many are left that have no row.
    async fn remove_strays_of(&self, disk: &DiskStore, did: &Did) -> Result<(u64, u64), StoreError> {
        let cids = match disk.list(did).await {
            Ok(cids) => cids,
            Err(error) => {
                tracing::warn!(%did, %error, "files without rows cannot be looked for");
                return Ok((0, 1));
            }
        };
        let (mut removed, mut left) = (0, 0);
        for cid in cids {
            match self.remove_stray(disk, did, &cid).await? {
                Outcome::HasRow => {}
                Outcome::Removed => removed += 1,
                Outcome::Left => left += 1,
            }
        }
        Ok((removed, left))
    }

    async fn remove_stray(&self, disk: &DiskStore, did: &Did, cid: &Cid) -> Result<Outcome, StoreError> {
        let _lock = self.0.locks.lock((did.clone(), *cid)).await;
        if rows::find(&self.0.store, did, cid).await?.is_some() {
            return Ok(Outcome::HasRow);
        }
        let removed = async {
            let written = disk.written_at(did, cid).await?.duration_since(UNIX_EPOCH);
            let until = written.map_err(io::Error::other)? + KEPT_FOR;
            if until.as_micros() > u128::from(self.0.clock.now_micros().unsigned_abs()) {
                return Ok(Outcome::Left);
            }
            disk.delete(did, cid).await.map(|()| Outcome::Removed)
        };
        Ok(removed.await.unwrap_or_else(|error: io::Error| {
            tracing::warn!(%did, %cid, %error, "a file without a row cannot be removed");
            Outcome::Left
        }))
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
