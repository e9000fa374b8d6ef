//! `com.atproto.repo.listMissingBlobs`: blobs that the caller's records refer to and that were not uploaded, as after an import.

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;
use crate::blob::MissingBlob;
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.repo.listMissingBlobs",
    Auth::Access(Access::STANDARD),
    |app, call| Box::pin(handle(app, call)),
);

const DEFAULT_LIMIT: u16 = 500;
const MAX_LIMIT: u16 = 1_000;

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    blobs: Vec<RecordBlob>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordBlob {
    cid: String,
    record_uri: String,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let limit = call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let cursor = call.params.cursor()?;
    let account = &call.caller.access()?.account;
    let missing = app
        .blobs
        .missing(&account.did, account.repo_id, cursor, limit.into())
        .await;
    let page = missing.map_err(|error| XrpcError::internal(&error))?;
    let record_blob = |blob: MissingBlob| RecordBlob {
        cid: blob.cid.to_string(),
        record_uri: format!("at://{}/{}", account.did, blob.path),
    };
    respond::json(&Output {
        cursor: page.cursor.map(|cid| cid.to_string()),
        blobs: page.blobs.into_iter().map(record_blob).collect(),
    })
}
