//! `internal.pds.admin.getAccount`: an account by DID or handle, whatever its status, and with `size=true` what it stores.

use std::sync::Arc;

use serde_json::{Value, json};

use super::find;
use crate::app::App;
use crate::server::{Auth, Method, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("internal.pds.admin.getAccount", Auth::Admin, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = find(&app, &call.params.required("account")?).await?;
    let size = if call.params.flag("size")? {
        let size = app.repos.stored_size(account.repo_id, &account.did).await;
        let size = size.map_err(read_error)?;
        json!({
            "records": size.records,
            "recordBytes": size.record_bytes,
            "blobs": size.blobs,
            "blobBytes": size.blob_bytes,
        })
    } else {
        Value::Null
    };
    respond::json(&json!({
        "did": account.did.as_str(),
        "handle": account.handle.as_str(),
        "status": account.status.word().unwrap_or("active"),
        "email": account.email,
        "emailConfirmed": account.email_confirmed,
        "emailAuthFactor": account.email_factor,
        "size": size,
    }))
}
