//! `com.atproto.identity.resolveHandle`: the DID of a handle.

use std::sync::Arc;

use atproto_data::Handle;
use serde_json::json;

use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.identity.resolveHandle", Auth::None, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let handle: Handle = call.params.required("handle")?;
    let account = app
        .accounts
        .find_handle(&handle)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    match account.filter(|account| account.status.is_active()) {
        Some(account) => respond::json(&json!({"did": account.did.to_string()})),
        None if app.accounts.handle_rules().is_service_handle(&handle) => {
            Err(XrpcError::bad_request("HandleNotFound", "Unable to resolve handle"))
        }
        // Handles of other servers are not looked up yet.
        None => Err(XrpcError::invalid_request("Unable to resolve handle")),
    }
}
