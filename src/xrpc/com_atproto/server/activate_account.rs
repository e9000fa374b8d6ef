//! `com.atproto.server.activateAccount`: switches the caller's account on, if its DID says that it is hosted here.

use std::sync::Arc;

use crate::account::ActivateError;
use crate::app::App;
use crate::identity::PlcError;
use crate::server::{Accepts, Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.activateAccount",
    Auth::Access(Access::FULL),
    Accepts::Nothing,
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let activation = app.accounts.check_activation(account).await.map_err(refusal)?;
    let _lock = app.repos.lock(account.repo_id).await;
    let done = app.accounts.activate(activation).await;
    app.repos.forget(account.repo_id);
    done.map_err(refusal)?;
    Ok(respond::empty())
}

fn refusal(error: ActivateError) -> XrpcError {
    let message = error.to_string();
    match error {
        ActivateError::TakenDown => XrpcError::bad_request("AccountNotFound", message),
        ActivateError::Did(_) | ActivateError::Plc(PlcError::Refused { .. }) => XrpcError::invalid_request(message),
        ActivateError::Plc(_) => XrpcError::upstream_failure(message),
        ActivateError::Key(error) => XrpcError::internal(&error),
        ActivateError::Store(error) => XrpcError::internal(&error),
    }
}
