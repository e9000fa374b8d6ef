//! `com.atproto.admin.updateAccountEmail`: another e-mail address for an account.

use std::sync::Arc;

use atproto_data::AtIdentifier;

use crate::account::EmailError;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.updateAccountEmail",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let identifier: AtIdentifier = call.input.required("account")?;
    let email = call.input.required_str("email")?.to_owned();
    let account = app.accounts.find(&identifier).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request(format!("Account does not exist: {identifier}")))?;
    let changed = app.accounts.set_email(account.account_id, email).await;
    changed.map_err(email_error)?;
    Ok(respond::empty())
}

/// An error of a change of the e-mail address as clients see it.
pub(in crate::xrpc) fn email_error(error: EmailError) -> XrpcError {
    match error {
        EmailError::Refused(_) | EmailError::Taken => XrpcError::invalid_request(error.to_string()),
        EmailError::Store(error) => XrpcError::internal(&error),
    }
}
