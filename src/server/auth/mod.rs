//! Who may call a method: the kinds of authentication and the reading of the `Authorization` header.
//!
//! Everything here is a pure function. Tokens are verified by the [`Application`](super::Application), which knows the keys and the
//! accounts.

mod access;
mod admin;
mod credential;
mod header;

pub use access::{Access, OAuth, Status};
pub use admin::is_admin;
pub use credential::{Credential, credential, guesses_admin_password};
pub use header::Authorization;

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Anybody. An `Authorization` header is ignored.
    None,
    /// `Basic admin:<PDS_ADMIN_PASSWORD>`.
    Admin,
    /// A service JWT of the moderation service, else as [`Auth::Admin`].
    Moderator,
    /// A session's access token or an OAuth access token.
    Access(Access),
    /// A refresh token that has not expired.
    Refresh,
    /// A refresh token, expired or not (`deleteSession`).
    RefreshEvenIfExpired,
    /// Nobody, or a user's service JWT (`createAccount`).
    OptionalService,
    /// As [`Auth::Access`], or a user's service JWT for this method (`uploadBlob`).
    AccessOrService(Access),
    /// As [`Auth::Access`], or a service JWT of the moderation service (`getPreferences`).
    AccessOrModerator(Access),
    /// As [`Auth::Access`] or [`Auth::Admin`], or nobody (the sync reads).
    OptionalAccessOrAdmin(Access),
}

impl Auth {
    /// Whether answers depend on the caller, so that shared caches must keep away.
    pub(crate) const fn is_private(self) -> bool {
        !matches!(self, Self::None)
    }
}
