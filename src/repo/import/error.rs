//! Why a repo is not imported.

use atproto_data::{Cid, Did};
use atproto_repo::car::CarError;
use atproto_repo::commit::CommitError;
use atproto_repo::verify::PartialTreeError;

use crate::repo::RepoError;
use crate::store::StoreError;

/// Why a repo is not imported. Then the account's repo is what it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Another import of this account has not ended.
    #[error("Another import of this account is running, wait for it to end")]
    Running,
    /// More imports run than this server takes on at once.
    #[error("Too many imports at the moment, try again later")]
    Busy,
    /// The CAR has been coming for too long.
    #[error("The CAR came too slowly, try again with a faster connection")]
    TooSlow,
    /// The account's repo was written to since the import began.
    #[error("The repo changed while it was imported, try again")]
    HeadMoved,
    /// The CAR is malformed.
    #[error("Invalid CAR: {0}")]
    Car(#[from] CarError),
    /// The CAR's header does not name exactly one root.
    #[error("Invalid CAR: expected one root, got {0}")]
    Roots(usize),
    /// A block that the repo needs is not in the CAR.
    #[error("Invalid repo: block {0} is missing")]
    BlockMissing(Cid),
    /// The root is not a commit.
    #[error("Invalid repo: {0}")]
    Commit(#[from] CommitError),
    /// The repo is somebody else's.
    #[error("Invalid repo: it is that of {found}, not of {expected}")]
    ForeignDid {
        /// The caller's.
        expected: Did,
        /// The commit's.
        found: Did,
    },
    /// The commit's rev is in the future.
    #[error("Invalid repo: the commit's rev is in the future")]
    FutureRev,
    /// The tree is not a valid MST.
    #[error("Invalid repo: {0}")]
    Tree(#[from] PartialTreeError),
    /// A key is no collection and rkey.
    #[error("Invalid repo: the key {0:?} is not an NSID, a slash and a record key")]
    Key(String),
    /// A record is not a map in DAG-CBOR.
    #[error("Invalid repo: the record at {path} is not a DAG-CBOR map: {reason}")]
    Record {
        /// Where.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The repo cannot be read or written.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        ImportError::Repo(error.into())
    }
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        ImportError::Repo(error.into())
    }
}

impl From<std::io::Error> for ImportError {
    fn from(error: std::io::Error) -> Self {
        ImportError::Repo(error.into())
    }
}
