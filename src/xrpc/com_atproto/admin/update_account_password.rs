//! `com.atproto.admin.updateAccountPassword`: another password for an account, which ends its sessions.

use std::sync::Arc;

use atproto_data::Did;

use crate::account::NewPasswordError;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.updateAccountPassword",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.input.required("did")?;
    let password = call.input.required_str("password")?;
    let account = app.accounts.find_did(&did).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request(format!("Account does not exist: {did}")))?;
    let changed = app.accounts.set_password(account.account_id, password).await;
    changed.map_err(password_error)?;
    Ok(respond::empty())
}

/// An error of a change of the password as clients see it.
pub(in crate::xrpc) fn password_error(error: NewPasswordError) -> XrpcError {
    match error {
        NewPasswordError::Empty | NewPasswordError::TooLong => XrpcError::invalid_request(error.to_string()),
        NewPasswordError::Password(error) => XrpcError::not_enough_resources(error.to_string()),
        NewPasswordError::Store(error) => XrpcError::internal(&error),
    }
}
