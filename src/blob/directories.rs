//! Directories of blobs and of uploads: made so that they survive a power cut.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What the files of unfinished uploads are called; those that a crash left are removed at start.
pub(super) const UPLOAD_PREFIX: &str = "pds-upload-";

/// Why the directories of the blobs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BlobStoreError {
    /// A directory cannot be made or read.
    #[error("cannot use the blob directory {path}: {source}")]
    Directory {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be moved from one directory to the other.
    #[error(
        "{temporary} is on another file system than {location}: set PDS_BLOBSTORE_DISK_TMP_LOCATION to a directory on the same one"
    )]
    OtherFileSystem {
        /// Directory of unfinished uploads.
        temporary: String,
        /// Directory of blobs.
        location: String,
    },
    /// The settings of a bucket make no sense.
    #[error("PDS_BLOBSTORE_S3_*: {0}")]
    Bucket(String),
}

/// Makes a directory for uploads, removes what a crash left in it, and says on which device it is.
pub(super) fn prepare_uploads(directory: &Path) -> Result<u64, BlobStoreError> {
    let device = prepare(directory)?;
    remove_unfinished(directory).map_err(|source| unusable(directory, source))?;
    Ok(device)
}

/// Makes a directory, so that it survives a power cut, and says on which device it is.
pub(super) fn prepare(directory: &Path) -> Result<u64, BlobStoreError> {
    let made = make_directory(directory).and_then(|()| fs::metadata(directory));
    made.map(|metadata| metadata.dev())
        .map_err(|source| unusable(directory, source))
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    directory.parent().map_or(Ok(()), sync_directory)
}

fn unusable(directory: &Path, source: io::Error) -> BlobStoreError {
    BlobStoreError::Directory {
        path: directory.display().to_string(),
        source,
    }
}

/// Only what this server left: an operator may have named a directory that others use too.
fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UPLOAD_PREFIX) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    // The parent of a name without a `/` has none.
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_directory_may_be_named_from_where_the_server_runs() {
        sync_directory(Path::new("blobs").parent().unwrap()).unwrap();
        sync_directory(Path::new("/tmp")).unwrap();
        assert!(sync_directory(Path::new("/nowhere/at/all")).is_err());
    }
}
