//! `com.atproto.server.deleteAccount`: deletes an account, with its password and a mailed code.

use std::sync::Arc;

use atproto_data::Did;

use crate::account::{Deletion, DeletionError};
use crate::app::App;
use crate::jobs::deletion;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::mailed_code::token_error;
use crate::xrpc::origin::origin;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.deleteAccount",
    Auth::None,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::DELETE_ACCOUNT);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.input.required("did")?;
    let password = call.input.required_str("password")?;
    let token = call.input.required_str("token")?;
    let account = app.accounts.find_did(&did).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request("account not found"))?;
    let from = origin(&call.meter());
    let checked = app.accounts.check_deletion(&account, password, token, from).await;
    checked.map_err(refusal)?;
    let deleted = deletion::delete(&app, &account, Deletion::Asked).await;
    deleted.map_err(|error| XrpcError::internal(error.as_ref()))?;
    Ok(respond::empty())
}

fn refusal(error: DeletionError) -> XrpcError {
    match error {
        DeletionError::Wrong => XrpcError::authentication_failed(error.to_string()),
        DeletionError::Token(error) => token_error(error),
        DeletionError::Password(error) => XrpcError::not_enough_resources(error.to_string()),
    }
}
