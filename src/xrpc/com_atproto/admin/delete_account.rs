//! `com.atproto.admin.deleteAccount`: deletes an account. That there is none is no error.

use std::sync::Arc;

use atproto_data::Did;

use crate::account::Deletion;
use crate::app::App;
use crate::jobs::deletion;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.deleteAccount",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.input.required("did")?;
    let account = app.accounts.find_did(&did).await;
    if let Some(account) = account.map_err(|error| XrpcError::internal(&error))? {
        let deleted = deletion::delete(&app, &account, Deletion::Asked).await;
        deleted.map_err(|error| XrpcError::internal(error.as_ref()))?;
    }
    Ok(respond::empty())
}
