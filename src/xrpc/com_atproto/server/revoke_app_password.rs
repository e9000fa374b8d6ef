//! `com.atproto.server.revokeAppPassword`: ends an app password with its sessions, at once.

use std::sync::Arc;

use crate::account::Access as CallerAccess;
use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.revokeAppPassword",
    Auth::Access(Access::STANDARD.oauth(OAuth::Refused)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let caller = call.caller.access()?;
    let name = call.input.required_str("name")?;
    if !may_revoke(caller, name) {
        return Err(XrpcError::invalid_token("Bad token scope"));
    }
    let revoked = app
        .accounts
        .revoke_app_password(caller.account.account_id, name.to_owned())
        .await;
    revoked.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}

/// An app password may end itself, no other: a client that was given one must not lock out the rest.
fn may_revoke(caller: &CallerAccess, name: &str) -> bool {
    caller.scope == SessionScope::Access || caller.app_password.as_deref() == Some(name)
}
