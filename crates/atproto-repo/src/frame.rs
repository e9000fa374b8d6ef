//! The messages of `com.atproto.sync.subscribeRepos` (event stream spec): each is a header and a body, two DAG-CBOR items one
//! after the other.

mod decode;
mod event;
mod repo_op;
mod status;

pub use decode::{CommitFrame, Frame, FrameError};
pub use event::{
    CommitEvent, EventBody, account_event, commit_event, error_frame, identity_event, info_frame, sync_event,
};
pub use repo_op::{RepoOp, RepoOpAction};
pub use status::AccountStatus;

/// The most operations of one `#commit` (sync 1.1).
pub const MAX_COMMIT_OPERATIONS: usize = 200;

/// The largest `blocks` of one `#commit`, in bytes (sync 1.1).
pub const MAX_COMMIT_BLOCKS_BYTES: usize = 2_000_000;

/// The largest frame, in bytes (event stream spec).
pub const MAX_FRAME_BYTES: usize = 5_000_000;
