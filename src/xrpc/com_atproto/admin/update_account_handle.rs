//! `com.atproto.admin.updateAccountHandle`: another handle for an account, also one that is reserved.

use std::sync::Arc;

use atproto_data::{Did, Handle};

use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::com_atproto::identity::update_handle::{handle_error, judge};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.updateAccountHandle",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.input.required("did")?;
    let handle: Handle = call.input.required("handle")?;
    let account = app.accounts.find_did(&did).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request("Account not found"))?;
    judge(&app, &did, &handle, app.accounts.handle_rules().check_by_admin(&handle)).await?;
    let changed = app.accounts.change_handle(&account, handle).await;
    changed.map_err(|error| handle_error(&error))?;
    Ok(respond::empty())
}
