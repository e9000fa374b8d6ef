//! `com.atproto.repo.listRecords`: the records of a collection, page by page.

use std::sync::Arc;

use atproto_data::{AtIdentifier, Nsid};

use crate::app::App;
use crate::repo::ListQuery;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::record_json::write_record;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.repo.listRecords", Auth::None, |app, call| {
    Box::pin(handle(app, call))
});

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 100;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let repo: AtIdentifier = call.params.required("repo")?;
    let collection: Nsid = call.params.required("collection")?;
    let query = ListQuery {
        limit: call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?.into(),
        cursor: call.params.optional_str("cursor")?.map(str::to_owned),
        ascending: call.params.flag("reverse")?,
    };
    let account = app
        .accounts
        .find(&repo)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    let Some(account) = account.filter(|account| account.status.is_active()) else {
        return Err(XrpcError::invalid_request(format!("Could not find repo: {repo}")));
    };
    let records = app
        .repos
        .list_records(account.repo_id, &collection, &query)
        .await
        .map_err(read_error)?;

    let mut out = b"{\"records\":[".to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_record(
            &mut out,
            &format!("at://{}/{collection}/{}", account.did, record.rkey),
            record,
        )?;
    }
    out.push(b']');
    if let Some(last) = records.last() {
        // An rkey has no character that JSON would have to escape.
        out.extend_from_slice(format!(",\"cursor\":\"{}\"", last.rkey).as_bytes());
    }
    out.push(b'}');
    Ok(respond::json_bytes(out))
}
