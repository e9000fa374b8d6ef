//! `com.atproto.sync.getRepoStatus`: whether a repo is active, and its rev.

use std::sync::Arc;

use atproto_data::Did;
use serde::Serialize;

use super::readable_repo::unknown_repo;
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getRepoStatus", Auth::None, |app, call| {
    Box::pin(handle(app, call))
});

#[derive(Serialize)]
struct Output {
    did: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Only of active repos.
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<String>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let account = app
        .accounts
        .find_did(&did)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| unknown_repo(&did))?;
    let head = if account.status.is_active() {
        app.repos.head(account.repo_id).await.map_err(read_error)?
    } else {
        None
    };
    respond::json(&Output {
        did: did.to_string(),
        active: account.status.is_active(),
        status: account.status.word(),
        rev: head.map(|(_, rev)| rev.to_string()),
    })
}
