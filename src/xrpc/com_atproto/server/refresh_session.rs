//! `com.atproto.server.refreshSession`: the next tokens of a session.

use std::sync::Arc;

use super::session_output::SessionOutput;
use crate::account::RefreshError;
use crate::app::App;
use crate::server::{Accepts, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.refreshSession",
    Auth::Refresh,
    Accepts::Nothing,
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let token = call.caller.into_refresh_token()?;
    let session = app.accounts.refresh(token).await.map_err(refusal)?;
    let document = app.accounts.document_for_session(&session.account.did).await;
    respond::json(&SessionOutput::from(session).with_document(document))
}

fn refusal(error: RefreshError) -> XrpcError {
    match error {
        RefreshError::Revoked => XrpcError::expired_token(error.to_string()),
        RefreshError::TakenDown => XrpcError::unauthorized("AccountTakedown", error.to_string()),
        RefreshError::Store(error) => XrpcError::internal(&error),
    }
}
