//! The accounts that upload: how much each has that no record refers to, and where a crash may leave files without rows.

use std::sync::{Arc, Mutex, PoisonError};

use atproto_data::Did;
use moka::sync::Cache;
use tokio::sync::OnceCell;

use super::files::BlobFiles;
use super::upload::UploadError;
use super::{Blobs, rows};
use crate::store::{Columns as _, StoreError};

/// The most blobs of an account that no record refers to, and…
const UNREFERENCED_BLOBS: i64 = 1_000;
/// …the most bytes in them: what somebody can make the server keep for nothing.
const UNREFERENCED_BYTES: i64 = 4 << 30;
/// Accounts known. One that is not costs a sum and a row once more.
const KNOWN: u64 = 10_000;

/// The accounts that uploaded lately in this run of the server.
pub(super) struct Uploaders {
    /// Which run it is; asked when it is needed.
    run: OnceCell<i64>,
    known: Cache<Did, Arc<Mutex<Unreferenced>>>,
}

/// What no record refers to of an account's blobs, or more: uploads are added at once, what records take or the collector removes is found
/// out when the limit is reached.
struct Unreferenced {
    blobs: i64,
    bytes: i64,
}

impl Default for Uploaders {
    fn default() -> Uploaders {
        Uploaders {
            run: OnceCell::new(),
            known: Cache::new(KNOWN),
        }
    }
}

impl Unreferenced {
    /// Adds a blob unless the limit is reached; says whether it did.
    fn admits(&mut self, size: i64) -> bool {
        let admits = self.blobs < UNREFERENCED_BLOBS && self.bytes < UNREFERENCED_BYTES;
        if admits {
            self.blobs += 1;
            self.bytes += size;
        }
        admits
    }
}

impl Blobs {
    /// Admits a new blob of an account, whose directory is looked through in the next run from now on.
    pub(super) async fn admit(&self, did: &Did, size: i64) -> Result<(), UploadError> {
        let known = self.0.uploaders.known.get(did);
        if known.as_ref().is_some_and(|known| admits(known, size)) {
            return Ok(());
        }
        let (blobs, bytes) = rows::temporary(&self.0.store, did).await?;
        let counted = Arc::new(Mutex::new(Unreferenced { blobs, bytes }));
        if !admits(&counted, size) {
            return Err(UploadError::TooManyUnreferenced);
        }
        if known.is_none() && matches!(self.0.files, BlobFiles::Disk(_)) {
            self.expect_strays(did).await?;
        }
        self.0.uploaders.known.insert(did.clone(), counted);
        Ok(())
    }

    /// The number of this run, higher than those of all before it that have left something to look for.
    pub(super) async fn run(&self) -> Result<i64, StoreError> {
        let store = &self.0.store;
        let next = || async {
            let last = store.look_up_one("SELECT coalesce(max(run), 0) FROM blob_uploader", [], |row| {
                row.column(0)
            });
            Ok(last.await?.unwrap_or(0_i64) + 1)
        };
        self.0.uploaders.run.get_or_try_init(next).await.copied()
    }

    /// Notes that an account's directory may hold files without rows if this run crashes.
    async fn expect_strays(&self, did: &Did) -> Result<(), StoreError> {
        let (run, did) = (self.run().await?, did.clone());
        let noted = self.0.store.change(move |tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO blob_uploader (run, did) VALUES ($1, $2) ON CONFLICT (run, did) DO NOTHING")
                    .bind(run)
                    .bind(did.as_str())
                    .execute(tx.connection())
                    .await
                    .map(drop)
                    .map_err(StoreError::from)
            })
        });
        noted.await
    }
}

fn admits(known: &Mutex<Unreferenced>, size: i64) -> bool {
    known.lock().unwrap_or_else(PoisonError::into_inner).admits(size)
}
