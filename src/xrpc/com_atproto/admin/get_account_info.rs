//! `com.atproto.admin.getAccountInfo`: an account with what only administrators may see.

use std::sync::Arc;

use atproto_data::Did;

use super::account_view::AccountView;
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.admin.getAccountInfo", Auth::Moderator, |app, call| {
        Box::pin(handle(app, call))
    });

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let found = app.accounts.moderated(&[did]).await;
    let found = found.map_err(|error| XrpcError::internal(&error))?.into_iter().next();
    match found {
        Some(account) => respond::json(&AccountView::from(account)),
        None => Err(XrpcError::bad_request("NotFound", "Account not found")),
    }
}
