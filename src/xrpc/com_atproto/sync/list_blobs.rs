//! `com.atproto.sync.listBlobs`: the blobs that an account's records refer to.

use std::sync::Arc;

use atproto_data::{Did, Tid};
use serde::Serialize;

use super::readable_repo::{READ_AUTH, readable_repo};
use crate::app::App;
use crate::server::{Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.listBlobs", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

const DEFAULT_LIMIT: u16 = 500;
const MAX_LIMIT: u16 = 1_000;

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    cids: Vec<String>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let since: Option<Tid> = call.params.optional("since")?;
    let limit = call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let cursor = call.params.cursor()?;
    let account = readable_repo(&app, &call.caller, &did).await?;
    let listed = app.blobs.list(account.repo_id, since, cursor, limit.into()).await;
    let page = listed.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&Output {
        cursor: page.cursor.map(|cid| cid.to_string()),
        cids: page.blobs.iter().map(ToString::to_string).collect(),
    })
}
