//! `com.atproto.identity.signPlcOperation`: signs a change of the caller's DID with the server's rotation key, against a mailed code.

use std::collections::BTreeMap;
use std::sync::Arc;

use atproto_data::Value;
use atproto_plc::Service;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::account::{PlcChanges, PlcOperationError};
use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Accepts, Access, Auth, Input, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;
use crate::xrpc::mailed_code::token_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.identity.signPlcOperation",
    Auth::Access(
        Access::FULL
            .or(SessionScope::Takendown)
            .oauth(OAuth::Scope("identity:*")),
    ),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let changes = changes(&call.input)?;
    let token = call.input.optional_str("token")?.filter(|token| !token.is_empty());
    let token =
        token.ok_or_else(|| XrpcError::invalid_request("email confirmation token required to sign PLC operations"))?;
    let operation = app.accounts.sign_plc_operation(account, token, changes).await;
    let operation = operation.map_err(plc_operation_error)?;
    respond::json(&json!({"operation": operation.to_json()}))
}

fn changes(input: &Input) -> Result<PlcChanges, XrpcError> {
    let strings = |name: &str| {
        let strings = input.optional_strs(name)?;
        Ok::<_, XrpcError>(strings.map(|list| list.into_iter().map(str::to_owned).collect()))
    };
    Ok(PlcChanges {
        rotation_keys: strings("rotationKeys")?,
        also_known_as: strings("alsoKnownAs")?,
        verification_methods: read::<BTreeMap<String, String>>(input, "verificationMethods")?,
        services: read::<BTreeMap<String, Service>>(input, "services")?,
    })
}

/// A part of an operation that is no plain list.
fn read<T: DeserializeOwned>(input: &Input, name: &str) -> Result<Option<T>, XrpcError> {
    let Some(value @ Value::Map(_)) = input.get(name) else {
        return match input.get(name) {
            None => Ok(None),
            Some(_) => Err(input.refused("Expected an object", name)),
        };
    };
    let json = atproto_data::json::to_vec(value);
    let read = serde_json::from_slice(&json).map_err(|_| input.refused("Malformed", name));
    read.map(Some)
}

/// An error of a change of a DID as clients see it.
pub(in crate::xrpc) fn plc_operation_error(error: PlcOperationError) -> XrpcError {
    let message = error.to_string();
    match error {
        PlcOperationError::Token(error) => token_error(error),
        PlcOperationError::NotPlc | PlcOperationError::Tombstoned | PlcOperationError::Refused(_) => {
            XrpcError::invalid_request(message)
        }
        PlcOperationError::Plc(error) if error.is_refusal() => XrpcError::invalid_request(message),
        PlcOperationError::Plc(_) => XrpcError::upstream_failure(message),
        PlcOperationError::Store(error) => XrpcError::internal(&error),
    }
}
