//! `internal.pds.admin.clearEmailFactor`: lets somebody log in without a mailed code who cannot get one any more.

use std::sync::Arc;

use super::find;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "internal.pds.admin.clearEmailFactor",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = find(&app, &call.input.required("account")?).await?;
    let cleared = app.accounts.clear_email_factor(account.account_id).await;
    cleared.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
