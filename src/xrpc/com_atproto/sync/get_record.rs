//! `com.atproto.sync.getRecord`: a CAR that proves a record, or that there is none.

use std::sync::Arc;

use atproto_data::{Did, Nsid, RecordKey};

use super::readable_repo::{READ_AUTH, read_repo};
use crate::app::App;
use crate::server::{Method, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getRecord", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let collection: Nsid = call.params.required("collection")?;
    let rkey: RecordKey = call.params.required("rkey")?;
    let read = |repo_id| app.repos.record_proof(repo_id, &collection, &rkey);
    let proof = read_repo(&app, &call.caller, &did, read).await?;
    Ok(respond::car(proof))
}
