//! `internal.pds.admin.getAccount`: an account by DID, handle or e-mail address, whatever its status, and with `size=true` what it stores.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Stored, find, found};
use crate::account::Account;
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::store::StoreError;
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("internal.pds.admin.getAccount", Auth::Admin, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let address = call.params.optional_str("account")?.filter(|name| name.contains('@'));
    let account = match address {
        Some(address) => found(app.accounts.find_email(address).await, address)?,
        None => find(&app, &call.params.required("account")?).await?,
    };
    let size = if call.params.flag("size")? {
        let stored = stored_by(&app, &account).await;
        stored.map_err(|error| XrpcError::internal(&error))?.view()
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

async fn stored_by(app: &App, account: &Account) -> Result<Stored, StoreError> {
    Ok(Stored {
        records: app.repos.stored_by(account.repo_id).await?,
        blobs: app.blobs.stored_by(&account.did).await?,
        events: app.sequencer.stored_by(account.repo_id).await?,
    })
}
