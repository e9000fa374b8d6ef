//! An operation as a `#commit` lists it.

use atproto_data::Cid;

/// What an operation does to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoOpAction {
    /// A record that was not there.
    Create,
    /// A record that replaces another.
    Update,
    /// A record that is no more.
    Delete,
}

impl RepoOpAction {
    /// The name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            RepoOpAction::Create => "create",
            RepoOpAction::Update => "update",
            RepoOpAction::Delete => "delete",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<RepoOpAction> {
        [RepoOpAction::Create, RepoOpAction::Update, RepoOpAction::Delete]
            .into_iter()
            .find(|action| action.as_str() == name)
    }
}

/// An operation of a `#commit` (`com.atproto.sync.subscribeRepos#repoOp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoOp {
    /// What happens.
    pub action: RepoOpAction,
    /// The record's `collection/rkey`.
    pub path: String,
    /// The record's CID; `None` for a delete.
    pub cid: Option<Cid>,
    /// The CID of the record there was before; `None` for a create.
    pub prev: Option<Cid>,
}
