//! What can go wrong with repos and records.

use atproto_repo::mst::{MstError, NotLoaded};

use crate::blob::BlobRefError;
use crate::store::StoreError;

/// Why a record is refused before any repo is looked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordError {
    /// The record is nested too deeply.
    #[error("Record is nested too deeply: at most {max} levels are allowed")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The record is too large.
    #[error("Record is too large: {size} bytes of DAG-CBOR, at most {max} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The collection and rkey are too long together.
    #[error("Record path is too long: at most {max} bytes are allowed")]
    PathTooLong {
        /// The limit.
        max: usize,
    },
    /// A blob in the form used before 2023.
    #[error("Legacy blob ref at {path}: use the form with $type \"blob\"")]
    LegacyBlob {
        /// Where.
        path: String,
    },
}

/// Why a repo cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// `swapCommit` or `swapRecord` is not what is there.
    #[error("{0}")]
    InvalidSwap(String),
    /// A record to be created is there already.
    #[error("Record already exists: {0}. Use putRecord to change it, or another rkey")]
    RecordExists(String),
    /// A record to be changed or deleted is not there.
    #[error("Could not locate record: {0}")]
    RecordMissing(String),
    /// A record refers to a blob that it may not refer to.
    #[error(transparent)]
    Blob(#[from] BlobRefError),
    /// More operations than one commit may have.
    #[error("Too many writes. Max: {max}")]
    TooManyWrites {
        /// The limit.
        max: usize,
    },
    /// The commit's event would be larger than relays take.
    #[error("Too many writes. Max event size: 2MB")]
    EventTooLarge,
    /// The keys do not make a tree within its limits.
    #[error("Invalid record key: {0}")]
    Tree(MstError),
    /// A part of the tree was not loaded: a bug of ours.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The account is not active.
    #[error("Account is deactivated")]
    Inactive,
    /// The repo does not exist (any more).
    #[error("Could not find repo")]
    NotFound,
    /// The records do not give the tree that the signed head names.
    #[error("the records of repo {repo_id} do not match its signed head; restore it from a backup")]
    Quarantined {
        /// The repo.
        repo_id: i64,
    },
    /// The account's signing key cannot be used.
    #[error("signing key: {0}")]
    Key(String),
    /// Blocks asked for at once are too large.
    #[error("The blocks have more than {max} bytes, ask for fewer at a time")]
    BlocksTooLarge {
        /// The most bytes in one answer.
        max: usize,
    },
    /// Too many exports run at once, or too much of them is not taken yet; or writes have overtaken a proof again and again.
    #[error("Too much is going on at the moment, try again later")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A temporary file failed.
    #[error("temporary file: {0}")]
    Spool(#[from] std::io::Error),
    /// A bug of ours, logged where it happened.
    #[error("the write did not finish")]
    Aborted,
}

impl RepoError {
    /// Whether the fault is the server's, not the caller's.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            RepoError::Store(error) => !matches!(error, StoreError::BlobGone),
            RepoError::Quarantined { .. }
            | RepoError::NotLoaded(_)
            | RepoError::Key(_)
            | RepoError::Spool(_)
            | RepoError::Aborted => true,
            _ => false,
        }
    }
}

impl From<MstError> for RepoError {
    fn from(error: MstError) -> Self {
        match error {
            MstError::NotLoaded(error) => RepoError::NotLoaded(error),
            other => RepoError::Tree(other),
        }
    }
}

impl From<sqlx::Error> for RepoError {
    fn from(error: sqlx::Error) -> Self {
        RepoError::Store(error.into())
    }
}
