//! Whose repo a caller may read: an active one anybody, another one its owner and admins.

use atproto_data::Did;

use crate::account::Account;
use crate::app::App;
use crate::server::{Access, Auth, XrpcError};
use crate::session_scope::SessionScope;
use crate::xrpc::caller::Caller;
use crate::xrpc::repo_error::not_active;

/// How these methods look at their caller.
pub(super) const READ_AUTH: Auth = Auth::OptionalAccessOrAdmin(Access::STANDARD.or(SessionScope::Takendown));

/// The account of a DID, if the caller may read its repo.
pub(super) async fn readable_repo(app: &App, caller: &Caller, did: &Did) -> Result<Account, XrpcError> {
    let account = app
        .accounts
        .find_did(did)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    let Some(account) = account else {
        return Err(unknown_repo(did));
    };
    match not_active(&account) {
        Some(error) if !caller.is_admin() && caller.did() != Some(did) => Err(error),
        _ => Ok(account),
    }
}

/// The error for a DID that is not hosted here.
pub(super) fn unknown_repo(did: &Did) -> XrpcError {
    XrpcError::bad_request("RepoNotFound", format!("Could not find repo for DID: {did}"))
}
