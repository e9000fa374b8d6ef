//! Repositories of the AT Protocol: MST, commits, CAR, diffs and inversion proofs, firehose frames. Pure: no clock, socket or file.
//!
//! - [`mst`]: the tree of a repository as an immutable snapshot, derived from the sorted records.
//! - [`commit`]: the signed object that names a tree's root.
//! - [`car`]: the archive format of exports and of the blocks inside events.
//! - [`frame`]: the messages of `com.atproto.sync.subscribeRepos`.
//! - [`verify`]: what a strict consumer checks, from blocks it does not trust.

pub mod car;
pub mod commit;
pub mod frame;
pub mod mst;
pub mod verify;

pub use commit::{Commit, SignedCommit, UnsignedCommit};
pub use frame::{AccountStatus, CommitEvent, EventBody, Frame, RepoOp, RepoOpAction};
pub use mst::{Action, MstError, Operation, Tree};
