//! `com.atproto.repo.describeRepo`: an account with its DID document and collections.

use std::sync::Arc;

use atproto_data::AtIdentifier;
use serde::Serialize;

use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::{not_active, read_error};

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.repo.describeRepo", Auth::None, |app, call| {
    Box::pin(handle(app, call))
});

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    handle: String,
    did: String,
    did_doc: serde_json::Value,
    collections: Vec<String>,
    handle_is_correct: bool,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let repo: AtIdentifier = call.params.required("repo")?;
    let account = app
        .accounts
        .find(&repo)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    let Some(account) = account else {
        return Err(XrpcError::bad_request(
            "RepoNotFound",
            format!("Could not find repo for DID: {repo}"),
        ));
    };
    if let Some(error) = not_active(&account) {
        return Err(error);
    }
    let document = app.accounts.did_document(&account.did).await;
    let document = document.ok().flatten();
    let document = document.ok_or_else(|| XrpcError::invalid_request("Could not resolve DID"))?;
    let claimed = document["alsoKnownAs"][0]
        .as_str()
        .and_then(|uri| uri.strip_prefix("at://"));
    let output = Output {
        handle: account.handle.to_string(),
        did: account.did.to_string(),
        handle_is_correct: claimed == Some(account.handle.as_str()),
        collections: app.repos.collections(account.repo_id).await.map_err(read_error)?,
        did_doc: document,
    };
    respond::json(&output)
}
