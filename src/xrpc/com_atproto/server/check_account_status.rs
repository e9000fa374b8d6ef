//! `com.atproto.server.checkAccountStatus`: how far the caller's account has moved in, or whether it is complete.

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.server.checkAccountStatus",
    Auth::Access(Access::STANDARD.oauth(OAuth::Any)),
    |app, call| Box::pin(handle(app, call)),
);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    activated: bool,
    valid_did: bool,
    repo_commit: String,
    repo_rev: String,
    repo_blocks: u64,
    indexed_records: u64,
    private_state_values: u64,
    expected_blobs: i64,
    imported_blobs: i64,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let repo = app.repos.snapshot(account.repo_id).await.map_err(read_error)?;
    let repo_blocks = app
        .repos
        .count_blocks(account.repo_id, &repo)
        .await
        .map_err(read_error)?;
    let valid_did = app
        .accounts
        .is_did_valid(account)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    let blobs = app.blobs.counts(&account.did, account.repo_id).await;
    let blobs = blobs.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&Output {
        activated: account.status.is_active(),
        valid_did,
        repo_commit: repo.commit_cid.to_string(),
        repo_rev: repo.rev.to_string(),
        repo_blocks,
        indexed_records: repo.tree.len(),
        private_state_values: 0,
        expected_blobs: blobs.expected,
        imported_blobs: blobs.imported,
    })
}
