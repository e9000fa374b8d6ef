//! `com.atproto.server.getSession`: the account of the caller's session.

use std::sync::Arc;

use super::session_output::AccountOutput;
use crate::app::App;
use crate::server::{Access, Auth, Method, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.server.getSession",
    Auth::Access(Access::STANDARD.or(SessionScope::SignupQueued)),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let document = app.accounts.document_for_session(&account.did).await;
    respond::json(&AccountOutput::from(account).with_document(document))
}
