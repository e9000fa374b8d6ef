//! Uploading: bytes to a file, the file into its place, its row.

use std::io;

use atproto_data::{Cid, Did};
use tempfile::NamedTempFile;

use super::Blobs;
use super::disk::blocking;
use super::files::BlobFiles;
use super::rows;
use super::spool::{Full, Spool, Spooled};
use crate::observe::{Condition, metrics};
use crate::quota::{Limits, Share};
use crate::store::{BlobUpload, StoreError};
use crate::to_the_end::ToTheEnd;

/// The most uploads that are under way, and of these the most of one account: more than clients begin at once.
pub(super) const UPLOADS: Limits = Limits {
    all: 4_096,
    one: 128,
    strangers: 0,
};
/// The longest media type, in bytes (RFC 6838 §4.2: two names of 127 characters).
const MAX_MEDIA_TYPE_BYTES: usize = 255;

/// An upload that has begun. Dropping it leaves nothing behind.
pub struct Upload {
    blobs: Blobs,
    did: Did,
    /// Away while it is written to.
    spool: Option<Box<Spool>>,
    _share: Share<Did>,
}

/// A blob as it was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedBlob {
    /// Its CID.
    pub cid: Cid,
    /// Its media type.
    pub mime_type: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Why an upload is refused. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// A moderator took the blob down.
    #[error("Blob has been takendown, cannot re-upload")]
    TakenDown,
    /// The account has too much that no record refers to.
    #[error("Too many blobs that no record refers to: use them, or wait until they are removed after some hours")]
    TooManyUnreferenced,
    /// The account, or all together, have too many uploads under way.
    #[error("Too many uploads at once: wait until some have ended")]
    TooManyAtOnce,
    /// The media type is longer than any.
    #[error("Content-Type is too long: at most {MAX_MEDIA_TYPE_BYTES} bytes are allowed")]
    MediaTypeTooLong,
    /// The disk.
    #[error("blob file: {0}")]
    File(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug of ours, logged where it happened.
    #[error("the upload did not finish")]
    Aborted,
}

impl Blobs {
    /// Begins an upload of an account.
    ///
    /// # Errors
    /// [`UploadError::TooManyAtOnce`].
    pub fn upload(&self, did: &Did) -> Result<Upload, UploadError> {
        let mut share = self.0.uploads.share(Some(did.clone()));
        share.grow(1).map_err(|_| UploadError::TooManyAtOnce)?;
        Ok(Upload {
            blobs: self.clone(),
            did: did.clone(),
            spool: Some(Box::new(Spool::new(self.0.files.uploads().to_owned()))),
            _share: share,
        })
    }

    /// Puts a file into its place and makes its row.
    async fn keep(&self, did: Did, blob: UploadedBlob, file: NamedTempFile) -> Result<UploadedBlob, UploadError> {
        // The collector stays away as long as the file and its row may disagree.
        let _lock = self.0.locks.lock((did.clone(), blob.cid)).await;
        let upload = BlobUpload {
            did,
            cid: blob.cid,
            mime_type: blob.mime_type.clone(),
            size: i64::try_from(blob.size).unwrap_or(i64::MAX),
            at: self.0.clock.now_micros(),
        };
        let known = rows::find(&self.0.store, &upload.did, &upload.cid).await?;
        match &known {
            Some(row) if row.taken_down => return Err(UploadError::TakenDown),
            Some(_) => {}
            None => self.begin(&upload).await?,
        }
        self.0.files.put(&upload.did, &upload.cid, file).await?;
        let stored = self.0.store.finish_upload(upload.clone()).await;
        if stored.is_err() && known.is_none() {
            self.take_back(&upload.did, &upload.cid).await;
        }
        stored?;
        Ok(blob)
    }

    /// Makes sure that the account may have one more blob, and that it is found again if a crash leaves it without a row.
    async fn begin(&self, upload: &BlobUpload) -> Result<(), UploadError> {
        self.admit(&upload.did, upload.size).await?;
        match &self.0.files {
            BlobFiles::Disk(_) => Ok(()),
            BlobFiles::Bucket { .. } => Ok(self.0.store.begin_upload(upload.clone()).await?),
        }
    }

    /// Removes a file for which there is no row, as a full disk has no room for one. What cannot be removed is a stray of this run.
    async fn take_back(&self, did: &Did, cid: &Cid) {
        // Whether a write that the disk failed has come to be is known after a restart only.
        if self.0.store.writes_stopped().is_none()
            && let Ok(None) = rows::find(&self.0.store, did, cid).await
            && let Err(error) = self.0.files.delete(did, cid).await
        {
            tracing::warn!(%did, %cid, %error, "the file of a refused upload cannot be removed");
        }
    }
}

impl Upload {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let mut spool = self.spool.take().ok_or(UploadError::Aborted)?;
        if spool.push(bytes) == Full::Yes {
            spool = blocking(move || spool.write().map(|()| spool)).await?;
        }
        self.spool = Some(spool);
        Ok(())
    }

    /// Ends the upload: the blob is durable when this returns. `declared` is the media type that the client names; what the
    /// first bytes say is worth more.
    ///
    /// # Errors
    /// Why the blob is not taken.
    pub async fn finish(self, declared: &str) -> Result<UploadedBlob, UploadError> {
        let blobs = self.blobs.clone();
        let finished = self.put_into_place(declared).await;
        if let Err(UploadError::File(error)) = &finished
            && error.kind() == io::ErrorKind::ReadOnlyFilesystem
        {
            // Blobs may be on another disk than the database.
            blobs.0.conditions.begins(Condition::ReadOnly);
        }
        metrics::BLOB_UPLOADS.increment([match &finished {
            Ok(_) => "ok",
            Err(UploadError::File(_) | UploadError::Store(_) | UploadError::Aborted) => "failed",
            Err(_) => "refused",
        }]);
        finished
    }

    async fn put_into_place(mut self, declared: &str) -> Result<UploadedBlob, UploadError> {
        if declared.len() > MAX_MEDIA_TYPE_BYTES {
            return Err(UploadError::MediaTypeTooLong);
        }
        let spool = self.spool.take().ok_or(UploadError::Aborted)?;
        let Spooled {
            file,
            cid,
            size,
            sniffed,
        } = blocking(move || spool.finish()).await?;
        let mime_type = sniffed.map_or_else(|| declared.to_ascii_lowercase(), str::to_owned);
        let blob = UploadedBlob { cid, mime_type, size };
        // A caller that goes away must not leave a file where the collector has just been.
        ToTheEnd::new(async move { self.blobs.keep(self.did, blob, file).await }).await
    }
}
