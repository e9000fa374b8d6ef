//! `internal.pds.admin.getStorage`: what all accounts together store. Looks at every record and event, in short reads.

use std::sync::Arc;

use super::Stored;
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::store::StoreError;
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query("internal.pds.admin.getStorage", Auth::Admin, |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, _: Call) -> XrpcResult {
    let total = total(&app).await.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&total.view())
}

async fn total(app: &App) -> Result<Stored, StoreError> {
    Ok(Stored {
        records: app.repos.total().await?,
        blobs: app.blobs.total().await?,
        events: app.sequencer.total().await?,
    })
}
