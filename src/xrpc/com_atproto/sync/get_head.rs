//! `com.atproto.sync.getHead`: the old form of `getLatestCommit`, with the CID alone.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use super::readable_repo::{READ_AUTH, readable_repo};
use crate::app::App;
use crate::server::{Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getHead", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let account = readable_repo(&app, &call.caller, &did).await?;
    match app.repos.head(account.repo_id).await.map_err(read_error)? {
        Some((cid, _)) => respond::json(&json!({"root": cid.to_string()})),
        None => Err(XrpcError::bad_request(
            "HeadNotFound",
            format!("Could not find root for DID: {did}"),
        )),
    }
}
