//! Blobs as files: `<location>/<two hex digits>/<DID>/<CID>`. A file appears there complete and durable, or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use atproto_data::{Cid, Did};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::directories::{prepare, prepare_uploads, sync_directory};
use super::files::new_upload;
use super::{BlobContent, BlobStoreError};
use crate::file_stream::stream;
use crate::observe::{Condition, Conditions, Unwritable};

/// Up to so many bytes are read at once; more are streamed from the file.
const READ_AT_ONCE: u64 = 256 << 10;
/// The longest name of a file on Linux, in bytes.
const LONGEST_NAME: usize = 255;

#[derive(Debug)]
pub(super) struct DiskStore {
    location: PathBuf,
    temporary: PathBuf,
    conditions: Arc<Conditions>,
}

impl DiskStore {
    pub(super) fn open(
        location: &Path,
        temporary: &Path,
        conditions: Arc<Conditions>,
    ) -> Result<DiskStore, BlobStoreError> {
        let device = prepare(location)?;
        if device != prepare_uploads(temporary)? {
            return Err(BlobStoreError::OtherFileSystem {
                temporary: temporary.display().to_string(),
                location: location.display().to_string(),
            });
        }
        Ok(DiskStore {
            location: location.to_owned(),
            temporary: temporary.to_owned(),
            conditions,
        })
    }

    /// Takes note of whether the disk took what was written to it.
    pub(super) fn written<T>(&self, outcome: &io::Result<T>) {
        match outcome {
            Ok(_) => self.conditions.ends(Condition::BlobStore),
            Err(error) if Unwritable::among(error) == Some(Unwritable::Broken) => {
                self.conditions.begins(Condition::BlobStore);
            }
            // Of a full or a read-only disk others tell.
            Err(_) => {}
        }
    }

    /// If the disk failed the last time, writes a file and a directory to it.
    pub(super) async fn try_again(self: &Arc<Self>) {
        if !self.conditions.holds(Condition::BlobStore) {
            return;
        }
        let store = Arc::clone(self);
        let tried = blocking(move || {
            let mut file = new_upload(&store.temporary)?;
            file.write_all(&[0])?;
            file.as_file().sync_all()?;
            sync_directory(&store.location)
        });
        self.written(&tried.await);
    }

    /// Where the files of uploads begin.
    pub(super) fn uploads(&self) -> &Path {
        &self.temporary
    }

    /// Moves an upload into its place; durable when this returns. A crash before that may leave a part of it there.
    pub(super) async fn put(self: &Arc<Self>, did: &Did, cid: &Cid, upload: NamedTempFile) -> io::Result<()> {
        let (store, directory) = (Arc::clone(self), self.directory(did));
        let path = directory.join(cid.to_string());
        blocking(move || store.move_into_place(upload, &directory, &path)).await
    }

    fn move_into_place(&self, upload: NamedTempFile, directory: &Path, path: &Path) -> io::Result<()> {
        let replaces = path.try_exists()?;
        if replaces {
            // What is there may be somebody's blob: only what is durable may take its place.
            upload.as_file().sync_all()?;
        }
        let file = match upload.persist(path) {
            Ok(file) => file,
            // The account's first blob, or its last one was deleted just now.
            Err(refused) if refused.error.kind() == io::ErrorKind::NotFound => {
                self.create(directory)?;
                refused.file.persist(path).map_err(|refused| refused.error)?
            }
            Err(refused) => return Err(refused.error),
        };
        // The file first: a file system with a journal has little left to do for the name.
        let synced = file.sync_all().and_then(|()| sync_directory(directory));
        if synced.is_err() && !replaces {
            let _ = fs::remove_file(path);
        }
        synced
    }

    /// The blobs of an account that have a file.
    pub(super) async fn list(&self, did: &Did) -> io::Result<Vec<Cid>> {
        let directory = self.directory(did);
        blocking(move || {
            let entries = match fs::read_dir(directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let names = entries.map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok())));
            names.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// When the file of a blob was written.
    pub(super) async fn written_at(&self, did: &Did, cid: &Cid) -> io::Result<SystemTime> {
        let path = self.file(did, cid);
        blocking(move || fs::metadata(path)?.modified()).await
    }

    /// A part of a blob, if its file is there and has the size that it should have.
    pub(super) async fn get(
        &self,
        did: &Did,
        cid: &Cid,
        size: u64,
        start: u64,
        length: u64,
    ) -> io::Result<Option<BlobContent>> {
        let path = self.file(did, cid);
        blocking(move || {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            if file.metadata()?.len() != size {
                return Err(io::Error::other(format!("{} is not {size} bytes long", path.display())));
            }
            if length > READ_AT_ONCE {
                return Ok(Some(BlobContent::Stream(stream(file, start, length))));
            }
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, start)
                .map_err(Unwritable::while_reading)?;
            Ok(Some(BlobContent::Memory(bytes)))
        })
        .await
    }

    /// Removes a blob, and its account's directory after the last one. That there is none is fine.
    pub(super) async fn delete(&self, did: &Did, cid: &Cid) -> io::Result<()> {
        let directory = self.directory(did);
        let path = directory.join(cid.to_string());
        blocking(move || {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // Refused as long as something is in it.
            let _ = fs::remove_dir(directory);
            Ok(())
        })
        .await
    }

    /// A blob's file.
    fn file(&self, did: &Did, cid: &Cid) -> PathBuf {
        self.directory(did).join(cid.to_string())
    }

    /// An account's directory. A DID that is too long for a name (a `did:web` of the longest host) goes by its hash.
    fn directory(&self, did: &Did) -> PathBuf {
        let digest = hex(&Sha256::digest(did.as_str()));
        let name = if did.as_str().len() <= LONGEST_NAME {
            did.as_str()
        } else {
            &digest
        };
        self.location.join(&digest[..2]).join(name)
    }

    /// Makes an account's directory so that it survives a power cut.
    fn create(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        sync_directory(&self.location)?;
        directory.parent().map_or(Ok(()), sync_directory)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Runs work with files where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn open(directory: &Path) -> Result<DiskStore, BlobStoreError> {
        DiskStore::open(
            &directory.join("blocks"),
            &directory.join("blocks/tempt"),
            Arc::default(),
        )
    }

    #[test]
    fn every_did_has_a_directory_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        let alice = store.directory(&"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap());
        assert!(alice.ends_with("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"));
        let host = format!("{0}.{0}.{0}.{1}.test", "a".repeat(63), "b".repeat(56));
        let long = store.directory(&format!("did:web:{host}").parse().unwrap());
        assert_eq!(long.file_name().unwrap().len(), 64, "its hash");
        assert_eq!(long.parent().unwrap().parent(), alice.parent().unwrap().parent());
    }

    #[test]
    fn what_a_crash_left_is_removed_at_start_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path()).unwrap();
        let upload = super::super::files::new_upload(store.uploads()).unwrap();
        let left = upload.keep().unwrap().1;
        let others = left.with_file_name("notes.txt");
        fs::write(&others, "mine").unwrap();
        open(directory.path()).unwrap();
        assert!(!left.exists());
        assert!(others.exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("blocks"), "a file").unwrap();
        let error = open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("blocks"), "{error}");
    }
}
