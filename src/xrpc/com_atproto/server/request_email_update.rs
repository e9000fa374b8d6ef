//! `com.atproto.server.requestEmailUpdate`: mails a code for changing the caller's address, if the present one is confirmed.

use std::sync::Arc;

use serde_json::json;

use crate::app::App;
use crate::mail::Code;
use crate::server::auth::Status;
use crate::server::{Accepts, Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::mailed_code::language;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.requestEmailUpdate",
    Auth::Access(Access::FULL.status(Status::NotTakendown)),
    Accepts::Nothing,
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::REQUEST_EMAIL_UPDATE);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    if account.email_confirmed {
        let mailed = app
            .accounts
            .mail_code(account, Code::UpdateEmail, language(&call))
            .await;
        mailed.map_err(|error| XrpcError::internal(&error))?;
    }
    respond::json(&json!({"tokenRequired": account.email_confirmed}))
}
