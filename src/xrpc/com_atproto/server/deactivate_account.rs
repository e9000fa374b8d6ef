//! `com.atproto.server.deactivateAccount`: switches the caller's account off.

use std::sync::Arc;

use atproto_data::syntax::Datetime;

use crate::app::App;
use crate::clock::datetime_micros;
use crate::server::auth::OAuth;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.deactivateAccount",
    Auth::Access(
        Access::FULL
            .or(SessionScope::Takendown)
            .oauth(OAuth::Scope("account:status?action=manage")),
    ),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let delete_after: Option<Datetime> = call.input.optional("deleteAfter")?;
    let delete_after = delete_after.as_ref().map(datetime_micros);
    let (accounts, account_id) = (app.accounts.clone(), account.account_id);
    // No write may be under way, or it would be told to the network after the account went.
    let done = app.repos.exclusively(account.account_id, async move {
        accounts.deactivate(account_id, delete_after).await
    });
    done.await
        .map_err(read_error)?
        .map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
