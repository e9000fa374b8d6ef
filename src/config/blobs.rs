//! Where blobs are kept and how large they may be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Reader;
use super::secret::Secret;
use super::setting::Setting;

const DISK_LOCATION: &str = "PDS_BLOBSTORE_DISK_LOCATION";
const S3_BUCKET: &str = "PDS_BLOBSTORE_S3_BUCKET";
const S3_KEY_ID: &str = "PDS_BLOBSTORE_S3_ACCESS_KEY_ID";
const S3_SECRET_KEY: &str = "PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY";

/// An S3 request gets at most this long by default, in ms.
const S3_REQUEST_TIMEOUT_AT_MOST: u64 = 15_000;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new("PDS_BLOB_UPLOAD_LIMIT", "Largest blob, in bytes.").or("104857600"),
    Setting::new(DISK_LOCATION, "Directory of the blobs.").or_computed("`blocks` in the data directory"),
    Setting::new(
        "PDS_BLOBSTORE_DISK_TMP_LOCATION",
        "Directory of unfinished uploads; on the same file system.",
    )
    .or_computed("`tempt` in the directory of the blobs"),
    Setting::new(
        "PDS_ALLOW_BLOB_STORE_CHANGE",
        "Start although blobs are kept in another bucket than at the last start, or no longer on the disk or in a bucket: they have been \
         copied.",
    )
    .or("false"),
    Setting::new(S3_BUCKET, "Bucket of the blobs, instead of a directory."),
    Setting::new("PDS_BLOBSTORE_S3_REGION", "Region of the bucket."),
    Setting::new("PDS_BLOBSTORE_S3_ENDPOINT", "Address of the S3-compatible service."),
    Setting::new(
        "PDS_BLOBSTORE_S3_FORCE_PATH_STYLE",
        "Put the bucket into the path instead of the host name. It always is where the address of the service is an IP address.",
    )
    .or("false"),
    Setting::new(S3_KEY_ID, "Access key of the bucket.").secret(),
    Setting::new(S3_SECRET_KEY, "Secret key of the bucket.").secret(),
    Setting::new(
        "PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS",
        "Time for a whole upload to the bucket, in ms.",
    )
    .or("20000"),
    Setting::new(
        "PDS_BLOBSTORE_S3_REQUEST_TIMEOUT_MS",
        "Time for one request to the bucket, in ms.",
    )
    .or_computed("the upload's time, at most 15000"),
];

/// Where blobs are kept and how large they may be.
#[derive(Debug, Clone)]
pub struct BlobsConfig {
    /// `PDS_BLOB_UPLOAD_LIMIT`: largest blob, in bytes.
    pub upload_limit: u64,
    /// `PDS_ALLOW_BLOB_STORE_CHANGE`: start with another kind of store than the last time, whatever blobs there are.
    pub allow_store_change: bool,
    /// Directory or bucket.
    pub store: BlobStoreConfig,
}

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub enum BlobStoreConfig {
    /// On a file system.
    Disk {
        /// `PDS_BLOBSTORE_DISK_LOCATION`: the blobs.
        location: PathBuf,
        /// `PDS_BLOBSTORE_DISK_TMP_LOCATION`: unfinished uploads.
        temporary_location: PathBuf,
    },
    /// In an S3-compatible bucket.
    S3(S3Config),
}

/// An S3-compatible bucket.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// `PDS_BLOBSTORE_S3_BUCKET`: name of the bucket.
    pub bucket: String,
    /// `PDS_BLOBSTORE_S3_REGION`: its region.
    pub region: Option<String>,
    /// `PDS_BLOBSTORE_S3_ENDPOINT`: address of the service, without `/` at the end.
    pub endpoint: Option<String>,
    /// `PDS_BLOBSTORE_S3_FORCE_PATH_STYLE`: bucket in the path instead of in the host name.
    pub force_path_style: bool,
    /// `PDS_BLOBSTORE_S3_ACCESS_KEY_ID` and `PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY`; none means the surroundings' own.
    pub credentials: Option<(Secret, Secret)>,
    /// `PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS`: time for a whole upload.
    pub upload_timeout: Duration,
    /// `PDS_BLOBSTORE_S3_REQUEST_TIMEOUT_MS`: time for one request.
    pub request_timeout: Duration,
}

impl BlobsConfig {
    pub(super) fn read(reader: &mut Reader<'_>, data_directory: &Path) -> Self {
        let upload_limit = reader.number("PDS_BLOB_UPLOAD_LIMIT");
        let allow_store_change = reader.flag("PDS_ALLOW_BLOB_STORE_CHANGE");
        let given_location = reader.text(DISK_LOCATION);
        let given_temporary = reader.text("PDS_BLOBSTORE_DISK_TMP_LOCATION");
        let s3 = read_s3(reader);
        if s3.is_some() && given_location.is_some() {
            reader.problem(
                S3_BUCKET,
                format!("is set beside {DISK_LOCATION}: blobs are kept in one of the two"),
            );
        }
        let store = s3.map_or_else(
            || disk(data_directory, given_location, given_temporary),
            BlobStoreConfig::S3,
        );
        Self {
            upload_limit,
            allow_store_change,
            store,
        }
    }
}

fn disk(data_directory: &Path, location: Option<String>, temporary: Option<String>) -> BlobStoreConfig {
    let location = location.map_or_else(|| data_directory.join("blocks"), PathBuf::from);
    let temporary_location = temporary.map_or_else(|| location.join("tempt"), PathBuf::from);
    BlobStoreConfig::Disk {
        location,
        temporary_location,
    }
}

fn read_s3(reader: &mut Reader<'_>) -> Option<S3Config> {
    let bucket = reader.parsed(
        S3_BUCKET,
        "the name of a bucket: letters, digits, dots, dashes and underscores",
        |name| is_bucket_name(name).then(|| name.to_owned()),
    );
    let region = reader.text("PDS_BLOBSTORE_S3_REGION");
    let endpoint = reader.url("PDS_BLOBSTORE_S3_ENDPOINT");
    // A bucket cannot be a part of an IP address.
    let force_path_style =
        reader.flag("PDS_BLOBSTORE_S3_FORCE_PATH_STYLE") || endpoint.as_deref().is_some_and(has_ip_address);
    let credentials = match (reader.secret(S3_KEY_ID), reader.secret(S3_SECRET_KEY)) {
        (Some(key_id), Some(secret_key)) => Some((key_id, secret_key)),
        (None, None) => None,
        (Some(_), None) => missing_beside(reader, S3_SECRET_KEY, S3_KEY_ID),
        (None, Some(_)) => missing_beside(reader, S3_KEY_ID, S3_SECRET_KEY),
    };
    let upload = reader.number("PDS_BLOBSTORE_S3_UPLOAD_TIMEOUT_MS");
    let request = reader.optional_number("PDS_BLOBSTORE_S3_REQUEST_TIMEOUT_MS");
    Some(S3Config {
        bucket: bucket?,
        region,
        endpoint,
        force_path_style,
        credentials,
        upload_timeout: Duration::from_millis(upload),
        request_timeout: Duration::from_millis(request.unwrap_or(upload.min(S3_REQUEST_TIMEOUT_AT_MOST))),
    })
}

/// What may be a part of a host name and of a path; services are stricter than that, each in its way.
fn is_bucket_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_inside = |end: Option<&u8>| end.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_inside(bytes.first()) && is_inside(bytes.last()) && bytes.iter().copied().all(is_allowed)
}

fn has_ip_address(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| url.has_host() && url.domain().is_none())
}

fn missing_beside<T>(reader: &mut Reader<'_>, missing: &str, beside: &str) -> Option<T> {
    reader.problem(missing, format!("must be set beside {beside}"));
    None
}
