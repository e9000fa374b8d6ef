//! Settings that must not just change once there are accounts or blobs: what they said at the last start is in the database.

use crate::account::count_accounts;
use crate::blob::Blobs;
use crate::config::{BlobStoreConfig, Config};
use crate::store::{Store, StoreError};

const HOSTNAME: &str = "hostname";
const BLOB_STORE: &str = "blob store";

/// A setting says something else than at the last start.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangedSetting {
    #[error(
        "PDS_HOSTNAME is {hostname}, but the {accounts} accounts of this server live on {former}: their DID documents lead there, and no \
         relay or AppView would find them here. Set PDS_HOSTNAME back to {former}. Only if you mean to give every account a new DID \
         document (or this is a copy that nobody is to find), set PDS_ALLOW_HOSTNAME_CHANGE=true for one start"
    )]
    Hostname {
        hostname: String,
        former: String,
        accounts: u64,
    },
    #[error(
        "blobs are to be kept in the {store} now, but {blobs} blobs were kept in the {former}: nobody would find them. Put the settings \
         PDS_BLOBSTORE_* back; or copy all blobs (as `<DID>/<CID>`) and set PDS_ALLOW_BLOB_STORE_CHANGE=true for one start"
    )]
    BlobStore { store: String, former: String, blobs: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A setting as it is now and as it was at the last start.
struct Setting {
    name: &'static str,
    value: String,
    former: Option<String>,
}

impl Setting {
    async fn read(store: &Store, name: &'static str, value: String) -> Result<Setting, StoreError> {
        let former = store.remembered(name).await?;
        Ok(Setting { name, value, former })
    }

    /// What it was, if that was something else.
    fn other(&self) -> Option<&String> {
        self.former.as_ref().filter(|former| **former != self.value)
    }

    /// Writes only what is new: a start on a full disk writes nothing.
    async fn remember(self, store: &Store) -> Result<(), StoreError> {
        if self.former.as_ref() == Some(&self.value) {
            return Ok(());
        }
        store.remember(self.name, self.value).await
    }
}

/// Refuses settings that changed and must not, and remembers all others for the next start.
pub(super) async fn check(config: &Config, store: &Store, blobs: &Blobs) -> Result<(), ChangedSetting> {
    let hostname = Setting::read(store, HOSTNAME, config.service.hostname.clone()).await?;
    if let Some(former) = hostname.other() {
        let accounts = count_accounts(&mut *store.read().await?).await?.total();
        if accounts > 0 && !config.service.allow_hostname_change {
            return Err(ChangedSetting::Hostname {
                hostname: hostname.value.clone(),
                former: former.clone(),
                accounts,
            });
        }
    }
    let place = match &config.blobs.store {
        BlobStoreConfig::Disk { .. } => "directory of blobs".to_owned(),
        BlobStoreConfig::S3(s3) => format!("bucket {}", s3.bucket),
    };
    let place = Setting::read(store, BLOB_STORE, place).await?;
    if let Some(former) = place.other() {
        let blobs = blobs.total().await?.count;
        if blobs > 0 && !config.blobs.allow_store_change {
            return Err(ChangedSetting::BlobStore {
                store: place.value.clone(),
                former: former.clone(),
                blobs,
            });
        }
    }
    hostname.remember(store).await?;
    Ok(place.remember(store).await?)
}
