//! `com.atproto.repo.getRecord`: one record.

use std::sync::Arc;

use atproto_data::{AtIdentifier, Cid, Nsid, RecordKey};

use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::proxy::{ask_anonymously, method};
use crate::xrpc::record_json::write_record;
use crate::xrpc::repo_error::{read_error, record_uri};

const NSID: &str = "com.atproto.repo.getRecord";

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::None, |app, call| Box::pin(handle(app, call)));

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let repo: AtIdentifier = call.params.required("repo")?;
    let collection: Nsid = call.params.required("collection")?;
    let rkey: RecordKey = call.params.required("rkey")?;
    let cid: Option<Cid> = call.params.optional("cid")?;

    let account = app
        .accounts
        .find(&repo)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    // An inactive account's records are nobody's business; other servers' records come from the AppView.
    let Some(account) = account.filter(|account| account.status.is_active()) else {
        let Some(appview) = app.appview.appview() else {
            return Err(XrpcError::bad_request("RecordNotFound", "Could not locate record"));
        };
        let service = app.appview.configured(appview)?;
        return ask_anonymously(&app, &call.parts, &method(NSID)?, &service).await;
    };
    let record = app
        .repos
        .record(account.repo_id, &collection, &rkey, cid)
        .await
        .map_err(read_error)?;
    let uri = record_uri(&account.did, &collection, &rkey);
    match record {
        None => Err(XrpcError::bad_request(
            "RecordNotFound",
            format!("Could not locate record: {uri}"),
        )),
        Some(record) => {
            let mut out = Vec::with_capacity(2 * record.content.len() + 256);
            write_record(&mut out, &uri, &record)?;
            Ok(respond::json_bytes(out))
        }
    }
}
