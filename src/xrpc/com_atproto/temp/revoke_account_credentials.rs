//! `com.atproto.temp.revokeAccountCredentials`: ends an account's sessions, password and app passwords; its owner gets in again by
//! resetting the password.

use std::sync::Arc;

use atproto_data::AtIdentifier;

use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.temp.revokeAccountCredentials",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = match call.input.required("account")? {
        AtIdentifier::Did(did) => app.accounts.find_did(&did).await,
        AtIdentifier::Handle(handle) => app.accounts.find_handle(&handle).await,
    };
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request("Account not found"))?;
    let revoked = app.accounts.revoke_credentials(account.account_id).await;
    revoked.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
