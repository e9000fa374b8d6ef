//! Why an account is not active.

/// The `status` of an `#account` event whose account is not active (`com.atproto.sync.subscribeRepos#account`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// Taken down by the host's moderation.
    Takendown,
    /// Taken down for a time.
    Suspended,
    /// Deleted for good.
    Deleted,
    /// Paused by its owner.
    Deactivated,
    /// The host has lost track of the repository.
    Desynchronized,
    /// The host passes on only a part of its events.
    Throttled,
}

impl AccountStatus {
    const ALL: [AccountStatus; 6] = [
        AccountStatus::Takendown,
        AccountStatus::Suspended,
        AccountStatus::Deleted,
        AccountStatus::Deactivated,
        AccountStatus::Desynchronized,
        AccountStatus::Throttled,
    ];

    /// The name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            AccountStatus::Takendown => "takendown",
            AccountStatus::Suspended => "suspended",
            AccountStatus::Deleted => "deleted",
            AccountStatus::Deactivated => "deactivated",
            AccountStatus::Desynchronized => "desynchronized",
            AccountStatus::Throttled => "throttled",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<AccountStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}
