//! `com.atproto.identity.resolveHandle`: the DID of a handle.

use std::sync::Arc;

use atproto_data::Handle;
use serde_json::json;

use super::identity_info::{Freshness, did_of_handle};
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.identity.resolveHandle", Auth::None, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let handle: Handle = call.params.required("handle")?;
    match did_of_handle(&app, &handle, Freshness::Kept).await? {
        Some(did) => respond::json(&json!({"did": did.as_str()})),
        None if app.accounts.handle_rules().is_service_handle(&handle) => {
            Err(XrpcError::bad_request("HandleNotFound", "Unable to resolve handle"))
        }
        // The reference names the error only for handles under its own domains.
        None => Err(XrpcError::invalid_request("Unable to resolve handle")),
    }
}
