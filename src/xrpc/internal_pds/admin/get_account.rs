//! `internal.pds.admin.getAccount`: an account by DID or handle, whatever its status.

use std::sync::Arc;

use serde_json::json;

use super::find;
use crate::app::App;
use crate::server::{Auth, Method, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("internal.pds.admin.getAccount", Auth::Admin, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = find(&app, &call.params.required("account")?).await?;
    respond::json(&json!({
        "did": account.did.as_str(),
        "handle": account.handle.as_str(),
        "status": account.status.word().unwrap_or("active"),
        "email": account.email,
        "emailConfirmed": account.email_confirmed,
        "emailAuthFactor": account.email_factor,
    }))
}
