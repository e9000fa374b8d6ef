//! `com.atproto.sync.getBlocks`: blocks of a repo by CID, as a CAR without root.

use std::sync::Arc;

use atproto_data::{Cid, Did};

use super::readable_repo::{READ_AUTH, read_repo};
use crate::app::App;
use crate::server::{Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getBlocks", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

/// The most blocks in one call: a record is at most 1 MB.
const MAX_BLOCKS: usize = 200;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let cids: Vec<Cid> = call.params.required_all("cids")?;
    if cids.len() > MAX_BLOCKS {
        return Err(XrpcError::invalid_request(format!(
            "Too many cids: at most {MAX_BLOCKS} are answered at a time"
        )));
    }
    let read = |repo_id| app.repos.blocks(repo_id, &cids);
    match read_repo(&app, &call.caller, &did, read).await? {
        Ok(blocks) => Ok(respond::car(blocks)),
        Err(missing) => {
            let missing: Vec<String> = missing.iter().map(Cid::to_string).collect();
            Err(XrpcError::invalid_request(format!(
                "Could not find cids: {}",
                missing.join(",")
            )))
        }
    }
}
