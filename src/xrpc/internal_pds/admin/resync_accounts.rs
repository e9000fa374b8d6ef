//! `internal.pds.admin.resyncAccounts`: tells the network what some accounts and their repos are, after an older copy of the data was
//! restored. Begins behind the account number `after`; the answer's `last`, if there is one, is where to go on.

use std::sync::Arc;

use serde_json::json;

use crate::account::Account;
use crate::app::App;
use crate::repo::RepoError;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "internal.pds.admin.resyncAccounts",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Accounts in one call.
const BATCH: i64 = 100;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let after = call.input.optional_integer("after", 0..=i64::MAX)?;
    let accounts = app.accounts.next_after(after.unwrap_or(0), BATCH).await;
    let accounts = accounts.map_err(|error| XrpcError::internal(&error))?;
    let last = accounts.last().map(|account| account.account_id);
    let (mut told, mut failed) = (0, Vec::new());
    for account in accounts {
        let did = account.did.clone();
        match resync(&app, account).await {
            Ok(()) => told += 1,
            Err(error) => {
                tracing::error!(%did, %error, "an account cannot be told to the network");
                failed.push(did.to_string());
            }
        }
    }
    respond::json(&json!({"accounts": told, "failed": failed, "last": last}))
}

async fn resync(app: &App, account: Account) -> Result<(), Failure> {
    let (accounts, account_id) = (app.accounts.clone(), account.account_id);
    let done = app
        .repos
        .exclusively(account_id, async move { accounts.resync(&account).await });
    match done.await {
        // It was deleted meanwhile.
        Err(RepoError::NotFound) => Ok(()),
        done => Ok(done??),
    }
}
