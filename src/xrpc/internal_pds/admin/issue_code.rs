//! `internal.pds.admin.issueCode`: a code that would be mailed, for the operator to hand over. An earlier one for the purpose ends.

use std::sync::Arc;

use serde_json::json;

use super::find;
use crate::app::App;
use crate::mail::Code;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "internal.pds.admin.issueCode",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let purpose = call.input.required_str("purpose")?;
    let purpose = purpose.parse::<Code>().map_err(|_| {
        let known = Code::ALL.map(Code::name).join(", ");
        XrpcError::invalid_request(format!("purpose must be one of: {known}"))
    })?;
    let account = find(&app, &call.input.required("account")?).await?;
    let code = app.accounts.issue_code(&account, purpose).await;
    let code = code.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&json!({"code": code, "did": account.did.as_str(), "purpose": purpose.name()}))
}
