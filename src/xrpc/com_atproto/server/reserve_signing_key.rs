//! `com.atproto.server.reserveSigningKey`: the key that an account will sign with once it has moved here.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use crate::account::ReserveKeyError;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.reserveSigningKey",
    Auth::None,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::RESERVE_SIGNING_KEY);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Option<Did> = call.input.optional("did")?;
    let reserved = app.accounts.reserve_signing_key(did).await;
    let signing_key = reserved.map_err(|error| match error {
        ReserveKeyError::Full => XrpcError::not_enough_resources(error.to_string()),
        ReserveKeyError::Store(error) => XrpcError::internal(&error),
    })?;
    respond::json(&json!({"signingKey": signing_key}))
}
