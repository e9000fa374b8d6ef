//! `com.atproto.identity.getRecommendedDidCredentials`: what the caller's DID should say to be hosted here.

use std::sync::Arc;

use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.identity.getRecommendedDidCredentials",
    Auth::Access(Access::STANDARD.oauth(OAuth::Any)),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let credentials = app.accounts.recommended_credentials(account).await;
    let credentials = credentials.map_err(|error| XrpcError::internal(&error))?;
    let credentials = credentials.ok_or_else(|| XrpcError::invalid_request("The account has no signing key"))?;
    respond::json(&credentials)
}
