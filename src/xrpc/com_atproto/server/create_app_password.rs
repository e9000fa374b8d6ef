//! `com.atproto.server.createAppPassword`: a password for a client that should not have the account's own.

use std::sync::Arc;

use serde::Serialize;

use super::app_password_output::AppPasswordOutput;
use crate::account::{AppPasswordError, Privilege};
use crate::app::App;
use crate::server::auth::Status;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.createAppPassword",
    Auth::Access(Access::FULL.status(Status::NotTakendown)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

#[derive(Serialize)]
struct Output {
    #[serde(flatten)]
    app_password: AppPasswordOutput,
    password: String,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let name = call.input.required_str("name")?.to_owned();
    let privilege = if call.input.flag("privileged")? {
        Privilege::Privileged
    } else {
        Privilege::Ordinary
    };
    let created = app
        .accounts
        .create_app_password(account.account_id, name, privilege)
        .await;
    let (app_password, password) = created.map_err(refusal)?;
    respond::json(&Output {
        app_password: AppPasswordOutput::from(app_password),
        password,
    })
}

fn refusal(error: AppPasswordError) -> XrpcError {
    match error {
        AppPasswordError::Store(error) => XrpcError::internal(&error),
        other => XrpcError::invalid_request(other.to_string()),
    }
}
