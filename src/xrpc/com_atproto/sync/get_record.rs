//! `com.atproto.sync.getRecord`: a CAR that proves a record, or that there is none.

use std::sync::Arc;

use atproto_data::{Did, Nsid, RecordKey};

use super::readable_repo::{READ_AUTH, readable_repo};
use crate::app::App;
use crate::server::{Method, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getRecord", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let collection: Nsid = call.params.required("collection")?;
    let rkey: RecordKey = call.params.required("rkey")?;
    let account = readable_repo(&app, &call.caller, &did).await?;
    let proof = app
        .repos
        .record_proof(account.repo_id, &collection, &rkey)
        .await
        .map_err(read_error)?;
    Ok(respond::car(proof))
}
