//! `com.atproto.identity.requestPlcOperationSignature`: mails a code for changing the caller's DID.

use std::sync::Arc;

use super::sign_plc_operation::plc_operation_error;
use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Accepts, Access, Auth, Method, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::mailed_code::language;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.identity.requestPlcOperationSignature",
    Auth::Access(
        Access::FULL
            .or(SessionScope::Takendown)
            .oauth(OAuth::Scope("identity:*")),
    ),
    Accepts::Nothing,
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::REQUEST_PLC_OPERATION_SIGNATURE);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let mailed = app.accounts.mail_plc_code(account, language(&call)).await;
    mailed.map_err(plc_operation_error)?;
    Ok(respond::empty())
}
