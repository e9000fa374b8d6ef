//! `com.atproto.server.createInviteCode`: one invite code, by the admin.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use crate::account::ADMIN;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.createInviteCode",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

/// The most uses of one code.
pub(super) const MAX_USES: i64 = 1_000_000;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let uses = call.input.required_integer("useCount", 0..=MAX_USES)?;
    let owner: Option<Did> = call.input.optional("forAccount")?;
    let owner = owner.map_or_else(|| ADMIN.to_owned(), String::from);
    let invites = app.accounts.create_invites(vec![owner], 1, uses).await;
    let invites = invites.map_err(|error| XrpcError::internal(&error))?;
    let code = invites.first().and_then(|(_, codes)| codes.first());
    respond::json(&json!({"code": code}))
}
