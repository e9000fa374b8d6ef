//! Whose repo a caller may read: an active one anybody, another one its owner and admins.

use atproto_data::Did;

use crate::account::Account;
use crate::app::App;
use crate::repo::RepoError;
use crate::server::{Access, Auth, XrpcError};
use crate::session_scope::SessionScope;
use crate::xrpc::caller::Caller;
use crate::xrpc::repo_error::{not_active, read_error};

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

/// What `read` finds in the repo of a DID, if the caller may read it. An import gives an account another repo: then that one is read.
pub(super) async fn read_repo<T, F>(
    app: &App,
    caller: &Caller,
    did: &Did,
    read: impl Fn(i64) -> F,
) -> Result<T, XrpcError>
where
    F: Future<Output = Result<T, RepoError>>,
{
    let mut repo_id = readable_repo(app, caller, did).await?.repo_id;
    loop {
        let found = read(repo_id).await;
        if matches!(found, Err(RepoError::NotFound)) {
            let now = readable_repo(app, caller, did).await?.repo_id;
            if now != repo_id {
                repo_id = now;
                continue;
            }
        }
        return found.map_err(read_error);
    }
}

/// The error for a DID that is not hosted here.
pub(super) fn unknown_repo(did: &Did) -> XrpcError {
    XrpcError::bad_request("RepoNotFound", format!("Could not find repo for DID: {did}"))
}
