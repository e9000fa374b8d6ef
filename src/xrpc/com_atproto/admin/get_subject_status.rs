//! `com.atproto.admin.getSubjectStatus`: whether an account, a record or a blob is taken down.

use std::sync::Arc;

use atproto_data::{AtUri, Cid, Did};
use serde_json::{Value, json};

use super::subject::{find_record, not_found};
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.admin.getSubjectStatus", Auth::Moderator, |app, call| {
        Box::pin(handle(app, call))
    });

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Option<Did> = call.params.optional("did")?;
    let uri: Option<AtUri> = call.params.optional("uri")?;
    let blob: Option<Cid> = call.params.optional("blob")?;
    let status = match (blob, uri, did) {
        (Some(_), _, None) => Err(XrpcError::invalid_request("Must provide a did to request blob state")),
        (Some(cid), _, Some(did)) => of_blob(&app, &did, &cid).await,
        (None, Some(uri), _) => of_record(&app, &uri).await,
        (None, None, Some(did)) => of_account(&app, did).await,
        (None, None, None) => Err(XrpcError::invalid_request("No provided subject")),
    };
    respond::json(&status?)
}

async fn of_account(app: &App, did: Did) -> Result<Value, XrpcError> {
    let found = app.accounts.moderated(std::slice::from_ref(&did)).await;
    let found = found.map_err(|error| XrpcError::internal(&error))?.into_iter().next();
    let account = found.ok_or_else(not_found)?;
    Ok(json!({
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did.as_str()},
        "takedown": takedown(account.takedown),
        "deactivated": {"applied": account.deactivated_at.is_some()},
    }))
}

async fn of_record(app: &App, uri: &AtUri) -> Result<Value, XrpcError> {
    let (account, collection, rkey) = find_record(app, uri).await?.ok_or_else(not_found)?;
    let record = app.repos.moderated_record(account.repo_id, collection, rkey).await;
    let record = record.map_err(read_error)?.ok_or_else(not_found)?;
    let cid = record.cid.to_string();
    Ok(json!({
        "subject": {"$type": "com.atproto.repo.strongRef", "uri": uri.as_str(), "cid": cid},
        "takedown": takedown(record.takedown),
    }))
}

async fn of_blob(app: &App, did: &Did, cid: &Cid) -> Result<Value, XrpcError> {
    let found = app.blobs.takedown(did, cid).await;
    let reference = found
        .map_err(|error| XrpcError::internal(&error))?
        .ok_or_else(not_found)?;
    Ok(json!({
        "subject": {"$type": "com.atproto.admin.defs#repoBlobRef", "did": did.as_str(), "cid": cid.to_string()},
        "takedown": takedown(reference),
    }))
}

fn takedown(reference: Option<String>) -> Value {
    match reference {
        Some(reference) => json!({"applied": true, "ref": reference}),
        None => json!({"applied": false}),
    }
}
