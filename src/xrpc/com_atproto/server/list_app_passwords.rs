//! `com.atproto.server.listAppPasswords`: the names of the caller's app passwords, the newest first.

use std::sync::Arc;

use serde::Serialize;

use super::app_password_output::AppPasswordOutput;
use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.server.listAppPasswords",
    Auth::Access(Access::STANDARD.oauth(OAuth::Refused)),
    |app, call| Box::pin(handle(app, call)),
);

#[derive(Serialize)]
struct Output {
    passwords: Vec<AppPasswordOutput>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let passwords = app.accounts.app_passwords(account.account_id).await;
    let passwords = passwords.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&Output {
        passwords: passwords.into_iter().map(AppPasswordOutput::from).collect(),
    })
}
