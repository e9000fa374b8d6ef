//! `com.atproto.temp.addReservedHandle`: nobody may choose a handle any more.

use std::sync::Arc;

use atproto_data::Handle;

use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.temp.addReservedHandle",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let handle: Handle = call.input.required("handle")?;
    let reserved = app.accounts.reserve_handle(&handle).await;
    reserved.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&serde_json::json!({}))
}
