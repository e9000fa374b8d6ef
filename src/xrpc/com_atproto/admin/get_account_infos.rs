//! `com.atproto.admin.getAccountInfos`: several accounts with what only administrators may see.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use super::account_view::AccountView;
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.admin.getAccountInfos", Auth::Moderator, |app, call| {
        Box::pin(handle(app, call))
    });

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    // As many as parameters are taken in a call.
    let dids: Vec<Did> = call.params.required_all("dids")?;
    let found = app.accounts.moderated(&dids).await;
    let found = found.map_err(|error| XrpcError::internal(&error))?;
    let infos: Vec<AccountView> = found.into_iter().map(AccountView::from).collect();
    respond::json(&json!({"infos": infos}))
}
