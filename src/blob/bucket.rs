//! Blobs as objects in an S3-compatible bucket: `blocks/<DID>/<CID>`, as the reference keeps them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use atproto_data::{Cid, Did};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, GetResult, MultipartUpload, ObjectStore as _, ObjectStoreExt as _, RetryConfig,
};
use tempfile::TempPath;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::{BlobContent, BlobStoreError};
use crate::causes::causes;
use crate::observe::{CallOutcome, Condition, Conditions, Service, UpstreamCall};

/// Larger blobs go up in parts of this size: S3 wants 5 MiB at least.
const PART_BYTES: usize = 8 << 20;
/// What is asked for to find out whether the bucket answers, and written to find out whether it may be; nothing else is there.
const PROBE: &str = "blocks/probe";
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a request is tried again.
const RETRIES: usize = 3;
/// What S3 says if the bucket itself is missing; the status is that of a missing object.
const NO_BUCKET: &str = "NoSuchBucket";
/// What S3 says to those who may not do this, and of a missing object to those who may not list the bucket.
const NO_PERMISSION: &str = "AccessDenied";

/// An S3-compatible bucket.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// Name of the bucket.
    pub name: String,
    /// Its region.
    pub region: Option<String>,
    /// Address of the service, without `/` at the end; none means AWS.
    pub endpoint: Option<String>,
    /// Where the bucket is named.
    pub addressing: BucketAddressing,
    /// Access key and secret key; none means the surroundings' own (environment, web identity, instance).
    pub credentials: Option<(String, zeroize::Zeroizing<String>)>,
    /// Time for a whole upload.
    pub upload_timeout: Duration,
    /// Time for one request, and time in which some of a download must come.
    pub request_timeout: Duration,
}

/// Where a request names its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketAddressing {
    /// `https://bucket.host/key`.
    HostName,
    /// `https://host/bucket/key`.
    Path,
}

/// Why the bucket did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum BucketError {
    #[error("the bucket does not answer in time")]
    Timeout,
    #[error("there is no such bucket")]
    NoBucket,
    #[error("the bucket: {0}")]
    Failed(Error),
}

#[derive(Debug)]
pub(super) struct BucketStore {
    bucket: AmazonS3,
    upload_timeout: Duration,
    request_timeout: Duration,
    conditions: Arc<Conditions>,
}

impl BucketStore {
    /// Nothing is asked of the bucket yet.
    pub(super) fn new(settings: &BucketSettings, conditions: Arc<Conditions>) -> Result<BucketStore, BlobStoreError> {
        let mut builder = match &settings.credentials {
            Some((key_id, secret_key)) => AmazonS3Builder::new()
                .with_access_key_id(key_id)
                .with_secret_access_key(secret_key.as_str()),
            None => AmazonS3Builder::from_env(),
        };
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        let is_plain = settings.endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint_of(endpoint, settings));
        }
        // A download goes at its client's pace: bounded is only how long nothing comes.
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout_disabled()
            .with_read_timeout(settings.request_timeout)
            .with_allow_http(is_plain);
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: settings.upload_timeout,
            ..RetryConfig::default()
        };
        let bucket = builder
            .with_bucket_name(&settings.name)
            .with_virtual_hosted_style_request(settings.addressing == BucketAddressing::HostName)
            .with_client_options(client)
            .with_retry(retry)
            .build()
            .map_err(|error| BlobStoreError::Bucket(error.to_string()))?;
        Ok(BucketStore {
            bucket,
            upload_timeout: settings.upload_timeout,
            request_timeout: settings.request_timeout,
            conditions,
        })
    }

    /// Copies an upload into the bucket; durable when this returns.
    pub(super) async fn put(&self, did: &Did, cid: &Cid, upload: &TempPath) -> io::Result<()> {
        let mut file = tokio::fs::File::open(upload).await?;
        let first = read_part(&mut file).await?;
        let key = key(did, cid);
        if first.len() < PART_BYTES {
            let put = self.bucket.put(&key, first.into());
            return self.written(self.upload_timeout, put).await.map(drop);
        }
        let begun = self.bucket.put_multipart(&key);
        let mut parts = self.written(self.request_timeout, begun).await?;
        let sending = self.send_parts(parts.as_mut(), first, &mut file);
        let sent = timeout(self.upload_timeout, sending).await;
        let sent = sent.unwrap_or_else(|_| {
            self.conditions.begins(Condition::BlobStore);
            Err(BucketError::Timeout.into())
        });
        if sent.is_err() && !matches!(timeout(CONNECT_TIMEOUT, parts.abort()).await, Ok(Ok(()))) {
            // They cost money until the bucket's own rules remove them.
            tracing::warn!(%did, %cid, "parts of an unfinished upload are left in the bucket");
        }
        sent
    }

    /// Sends the first part and what follows it in the file, one part after the other.
    async fn send_parts(
        &self,
        parts: &mut dyn MultipartUpload,
        first: Vec<u8>,
        file: &mut tokio::fs::File,
    ) -> io::Result<()> {
        let mut part = first;
        while !part.is_empty() {
            self.watched(self.upload_timeout, parts.put_part(part.into())).await?;
            part = read_part(file).await?;
        }
        self.watched(self.upload_timeout, parts.complete()).await.map(drop)
    }

    /// A part of a blob, if it is there.
    pub(super) async fn get(&self, did: &Did, cid: &Cid, start: u64, length: u64) -> io::Result<Option<BlobContent>> {
        // S3 knows no range of no bytes.
        let range = (length > 0).then(|| (start..start + length).into());
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let found = self.found(self.bucket.get_opts(&key(did, cid), options)).await?;
        Ok(found.map(|found| {
            let failed = |error| io::Error::other(BucketError::Failed(error));
            BlobContent::Stream(Box::pin(found.into_stream().map_err(failed)))
        }))
    }

    /// Removes a blob. That there is none is fine.
    pub(super) async fn delete(&self, did: &Did, cid: &Cid) -> io::Result<()> {
        let key = key(did, cid);
        self.found(async { self.bucket.delete(&key).await }).await.map(drop)
    }

    /// Finds out whether the bucket answers.
    pub(super) async fn probe(&self) {
        // What it means is told by `watched`.
        let _ = self.get_probe().await;
    }

    /// Finds out whether objects can be written, read and removed.
    ///
    /// # Errors
    /// What the bucket says to the first of these that fails.
    pub(super) async fn try_out(&self) -> io::Result<()> {
        let key = Path::from(PROBE);
        let put = self.bucket.put(&key, PROBE.as_bytes().to_vec().into());
        self.written(self.request_timeout, put).await?;
        let found = self.get_probe().await?;
        if found.is_none() {
            return Err(io::Error::other("what was written cannot be read"));
        }
        self.written(self.request_timeout, self.bucket.delete(&key)).await
    }

    async fn get_probe(&self) -> io::Result<Option<GetResult>> {
        let key = Path::from(PROBE);
        self.found(self.bucket.get_opts(&key, GetOptions::default())).await
    }

    /// Whether it failed when it was asked last.
    pub(super) fn failed(&self) -> bool {
        self.conditions.holds(Condition::BlobStore)
    }

    /// Whether it refused the last write.
    pub(super) fn refuses_writes(&self) -> bool {
        self.conditions.holds(Condition::BlobStoreReadOnly)
    }

    /// As [`Self::watched`], and remembers whether writes are allowed.
    async fn written<T>(&self, time: Duration, work: impl Future<Output = Result<T, Error>>) -> io::Result<T> {
        let done = self.ask(time, work).await;
        match &done {
            Ok(_) => self.conditions.ends(Condition::BlobStoreReadOnly),
            Err(BucketError::Failed(error)) if is_refusal(error) => {
                self.conditions.begins(Condition::BlobStoreReadOnly);
            }
            // Nobody knows.
            Err(_) => {}
        }
        Ok(done?)
    }

    /// As [`Self::watched`], but an object that is not there is none.
    async fn found<T>(&self, work: impl Future<Output = Result<T, Error>>) -> io::Result<Option<T>> {
        let work = async {
            match work.await {
                Ok(found) => Ok(Some(found)),
                Err(Error::NotFound { source, .. }) if !source.to_string().contains(NO_BUCKET) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.watched(self.request_timeout, work).await
    }

    /// Gives up after a time, and remembers whether the bucket works.
    async fn watched<T>(&self, time: Duration, work: impl Future<Output = Result<T, Error>>) -> io::Result<T> {
        Ok(self.ask(time, work).await?)
    }

    async fn ask<T>(&self, time: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, BucketError> {
        let call = UpstreamCall::begin(Service::BlobStore);
        let done = match timeout(time, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if error.to_string().contains(NO_BUCKET) => Err(BucketError::NoBucket),
            Ok(Err(error)) if is_timeout(&error) => Err(BucketError::Timeout),
            Ok(Err(error)) => Err(BucketError::Failed(error)),
            Err(_) => Err(BucketError::Timeout),
        };
        let outcome = done.as_ref().map_or_else(BucketError::outcome, |_| CallOutcome::Ok);
        call.ends_and_tells(outcome, &self.conditions);
        done
    }
}

impl BucketError {
    fn outcome(&self) -> CallOutcome {
        match self {
            BucketError::Timeout => CallOutcome::Timeout,
            // Whoever may read and write but not list is told so of what is missing. Other refusals mean that the settings are wrong.
            BucketError::Failed(error) if is_refusal(error) => CallOutcome::ClientError,
            BucketError::NoBucket | BucketError::Failed(_) => CallOutcome::ServerError,
        }
    }
}

/// The kinds are those that the methods about blobs tell apart.
impl From<BucketError> for io::Error {
    fn from(error: BucketError) -> io::Error {
        let kind = match error {
            BucketError::Timeout => io::ErrorKind::TimedOut,
            BucketError::NoBucket | BucketError::Failed(_) => io::ErrorKind::NotConnected,
        };
        io::Error::new(kind, error)
    }
}

/// Whether the caller is known, and may not do this.
fn is_refusal(error: &Error) -> bool {
    error.to_string().contains(NO_PERMISSION)
}

/// Whether a request failed because nothing came.
fn is_timeout(error: &Error) -> bool {
    let http = causes(error).find_map(|cause| cause.downcast_ref::<HttpError>());
    http.is_some_and(|error| error.kind() == HttpErrorKind::Timeout)
}

/// The next bytes of a file, as many as a part has, fewer at its end.
async fn read_part(file: &mut tokio::fs::File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part)
}

fn endpoint_of(endpoint: &str, settings: &BucketSettings) -> String {
    match (settings.addressing, endpoint.split_once("://")) {
        (BucketAddressing::HostName, Some((scheme, host))) => format!("{scheme}://{}.{host}", settings.name),
        _ => endpoint.to_owned(),
    }
}

fn key(did: &Did, cid: &Cid) -> Path {
    Path::from_iter(["blocks", did.as_str(), &cid.to_string()])
}
