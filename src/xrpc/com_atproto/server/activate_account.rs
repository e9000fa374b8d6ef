//! `com.atproto.server.activateAccount`: switches the caller's account on, if its DID says that it is hosted here.

use std::sync::Arc;

use crate::account::ActivateError;
use crate::app::App;
use crate::server::{Accepts, Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.activateAccount",
    Auth::Access(Access::FULL),
    Accepts::Nothing,
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let activation = app.accounts.check_activation(account).await.map_err(activation_error)?;
    let accounts = app.accounts.clone();
    let done = app
        .repos
        .exclusively(account.account_id, async move { accounts.activate(activation).await });
    done.await.map_err(read_error)?.map_err(activation_error)?;
    Ok(respond::empty())
}

/// An error of an activation as clients see it.
pub(in crate::xrpc) fn activation_error(error: ActivateError) -> XrpcError {
    let message = error.to_string();
    match error {
        ActivateError::TakenDown => XrpcError::bad_request("AccountNotFound", message),
        ActivateError::Did(_) => XrpcError::invalid_request(message),
        ActivateError::Plc(error) if error.is_refusal() => XrpcError::invalid_request(message),
        ActivateError::Plc(_) => XrpcError::upstream_failure(message),
        ActivateError::Key(error) => XrpcError::internal(&error),
        ActivateError::Store(error) => XrpcError::internal(&error),
    }
}
