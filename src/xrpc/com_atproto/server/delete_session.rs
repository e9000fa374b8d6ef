//! `com.atproto.server.deleteSession`: logs out. Every token of the session ends at once.

use std::sync::Arc;

use crate::app::App;
use crate::server::{Accepts, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.deleteSession",
    Auth::RefreshEvenIfExpired,
    Accepts::Nothing,
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let token = call.caller.into_refresh_token()?;
    app.accounts
        .log_out(token)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
