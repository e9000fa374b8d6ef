//! `com.atproto.server.deactivateAccount`: switches the caller's account off.

use std::sync::Arc;

use atproto_data::syntax::Datetime;

use crate::app::App;
use crate::clock::datetime_micros;
use crate::server::auth::{LegacyScope, OAuth};
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.deactivateAccount",
    Auth::Access(
        Access::FULL
            .or(LegacyScope::Takendown)
            .oauth(OAuth::Scope("account:status?action=manage")),
    ),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let delete_after: Option<Datetime> = call.input.optional("deleteAfter")?;
    // No write may be under way, or it would be told to the network after the account went.
    let _lock = app.repos.lock(account.repo_id).await;
    let done = app
        .accounts
        .deactivate(account.account_id, delete_after.as_ref().map(datetime_micros))
        .await;
    app.repos.forget(account.repo_id);
    done.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
