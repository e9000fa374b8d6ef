//! `com.atproto.identity.submitPlcOperation`: checks a change of the caller's DID and sends it to the PLC directory.

use std::sync::Arc;

use atproto_plc::Operation;

use super::sign_plc_operation::plc_operation_error;
use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.identity.submitPlcOperation",
    // App passwords are refused: whoever changes the DID can take the account away.
    Auth::Access(Access::FULL.oauth(OAuth::Scope("identity:*"))),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let operation = call
        .input
        .get("operation")
        .ok_or_else(|| call.input.missing("operation"))?;
    let operation = Operation::from_json(&atproto_data::json::to_vec(operation))
        .map_err(|_| XrpcError::invalid_request("Invalid operation"))?;
    let submitted = app.accounts.submit_plc_operation(account, operation).await;
    submitted.map_err(plc_operation_error)?;
    Ok(respond::empty())
}
