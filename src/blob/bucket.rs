//! Blobs as objects in an S3-compatible bucket: `blocks/<DID>/<CID>`, as the reference keeps them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use atproto_data::{Cid, Did};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt as _, RetryConfig};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;

use super::{BlobContent, BlobStoreError};

/// Larger blobs go up in parts of this size, two at a time: S3 wants 5 MiB at least.
const PART_BYTES: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 2;
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a request is tried again.
const RETRIES: usize = 3;

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
    /// Time in which something must move.
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

#[derive(Debug)]
pub(super) struct BucketStore {
    bucket: Arc<AmazonS3>,
    upload_timeout: Duration,
}

impl BucketStore {
    pub(super) fn new(settings: &BucketSettings) -> Result<BucketStore, BlobStoreError> {
        let mut builder = match &settings.credentials {
            Some((key_id, secret_key)) => AmazonS3Builder::new()
                .with_access_key_id(key_id)
                .with_secret_access_key(secret_key.as_str()),
            None => AmazonS3Builder::from_env(),
        };
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &settings.endpoint {
            builder = builder
                .with_endpoint(endpoint_of(endpoint, settings))
                .with_allow_http(endpoint.starts_with("http://"));
        }
        // A download goes at its client's pace: bounded is only how long nothing comes.
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout_disabled()
            .with_read_timeout(settings.request_timeout)
            .with_allow_http(settings.endpoint.as_ref().is_some_and(|url| url.starts_with("http://")));
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
            bucket: Arc::new(bucket),
            upload_timeout: settings.upload_timeout,
        })
    }

    /// Copies an upload into the bucket; durable when this returns.
    pub(super) async fn put(&self, did: &Did, cid: &Cid, upload: &TempPath) -> io::Result<()> {
        let bucket: Arc<dyn ObjectStore> = Arc::clone(&self.bucket) as _;
        let mut writer =
            BufWriter::with_capacity(bucket, key(did, cid), PART_BYTES).with_max_concurrency(PARTS_AT_ONCE);
        let copied = tokio::time::timeout(self.upload_timeout, copy(upload, &mut writer)).await;
        let copied = copied.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if copied.is_err() {
            // Best effort: the parts of an unfinished upload cost money until the bucket's own rules remove them.
            let _ = tokio::time::timeout(CONNECT_TIMEOUT, writer.abort()).await;
        }
        copied
    }

    /// A part of a blob, if it is there.
    pub(super) async fn get(&self, did: &Did, cid: &Cid, start: u64, length: u64) -> io::Result<Option<BlobContent>> {
        // S3 knows no range of no bytes.
        let range = (length > 0).then(|| (start..start + length).into());
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        match self.bucket.get_opts(&key(did, cid), options).await {
            Ok(found) => Ok(Some(BlobContent::Stream(Box::pin(found.into_stream().map_err(failed))))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes a blob. That there is none is fine.
    pub(super) async fn delete(&self, did: &Did, cid: &Cid) -> io::Result<()> {
        match self.bucket.delete(&key(did, cid)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

async fn copy(upload: &TempPath, writer: &mut BufWriter) -> io::Result<()> {
    let mut file = tokio::fs::File::open(upload).await?;
    tokio::io::copy(&mut file, writer).await?;
    writer.shutdown().await
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

fn failed(error: Error) -> io::Error {
    io::Error::other(error)
}
