//! `com.atproto.admin.updateAccountSigningKey`: another signing key for an account, which this server has reserved.

use std::sync::Arc;

use atproto_data::Did;

use crate::account::KeyChangeError;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.updateAccountSigningKey",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.input.required("did")?;
    let public_key = call.input.required_str("signingKey")?.to_owned();
    let account = app.accounts.find_did(&did).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request(format!("Account does not exist: {did}")))?;
    let (repos, accounts, account_id) = (app.repos.clone(), app.accounts.clone(), account.account_id);
    // No write may be signed with the old key once the DID names the new one.
    let changed = app.repos.exclusively(account_id, async move {
        let changed = accounts.change_signing_key(&account, &public_key).await;
        repos.forget_signing_key(&account.did).await;
        changed
    });
    changed.await.map_err(read_error)?.map_err(refusal)?;
    Ok(respond::empty())
}

fn refusal(error: KeyChangeError) -> XrpcError {
    let message = error.to_string();
    match error {
        KeyChangeError::UnknownKey
        | KeyChangeError::NotFound
        | KeyChangeError::NotClaimed
        | KeyChangeError::Tombstoned => XrpcError::invalid_request(message),
        KeyChangeError::Plc(error) if error.is_refusal() => XrpcError::invalid_request(message),
        KeyChangeError::Plc(_) => XrpcError::upstream_failure(message),
        KeyChangeError::Key(error) => XrpcError::internal(&error),
        KeyChangeError::Store(error) => XrpcError::internal(&error),
    }
}
