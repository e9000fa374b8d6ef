//! `com.atproto.identity.updateHandle`: another handle for the caller's account.

use std::sync::Arc;

use atproto_data::{Did, Handle};

use crate::account::HandleError;
use crate::app::App;
use crate::identity::HandleRefused;
use crate::server::auth::{OAuth, Status};
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.identity.updateHandle",
    // App passwords are refused: whoever has the handle is the person.
    Auth::Access(
        Access::FULL
            .status(Status::NotTakendown)
            .oauth(OAuth::Scope("identity:handle")),
    ),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::UPDATE_HANDLE);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let handle: Handle = call.input.required("handle")?;
    check(&app, &account.did, &handle).await?;
    app.accounts
        .change_handle(account, handle)
        .await
        .map_err(|error| handle_error(&error))?;
    Ok(respond::empty())
}

async fn check(app: &App, did: &Did, handle: &Handle) -> Result<(), XrpcError> {
    let refusal = app.accounts.handle_refusal(handle, Some(did)).await;
    let refusal = refusal.map_err(|error| XrpcError::internal(&error))?;
    judge(app, did, handle, refusal.map_or(Ok(()), Err)).await
}

/// Handles under our domains follow our rules; others must point to the account.
pub(in crate::xrpc) async fn judge(
    app: &App,
    did: &Did,
    handle: &Handle,
    rules: Result<(), HandleRefused>,
) -> Result<(), XrpcError> {
    match rules {
        Ok(()) => Ok(()),
        Err(HandleRefused::UnsupportedDomain) => match app.handles.refresh(handle).await {
            Some(found) if found == *did => Ok(()),
            _ => Err(handle_error(&HandleError::NotProven)),
        },
        Err(refused) => Err(handle_error(&refused.into())),
    }
}

/// An error of a handle change as clients see it.
pub(in crate::xrpc) fn handle_error(error: &HandleError) -> XrpcError {
    let message = error.to_string();
    match error {
        HandleError::Refused(HandleRefused::Reserved | HandleRefused::KeptBack) | HandleError::Taken(_) => {
            XrpcError::bad_request("HandleNotAvailable", message)
        }
        HandleError::Refused(_) => XrpcError::bad_request("InvalidHandle", message),
        HandleError::NotProven | HandleError::NotClaimed | HandleError::Tombstoned(_) => {
            XrpcError::invalid_request(message)
        }
        HandleError::NotFound => XrpcError::forbidden_as("AccountNotFound", message),
        HandleError::Plc(error) if error.is_refusal() => XrpcError::invalid_request(message),
        HandleError::Plc(_) => XrpcError::upstream_failure(message),
        HandleError::Store(error) => XrpcError::internal(error),
    }
}
