//! `com.atproto.temp.checkHandleAvailability`: whether a new account could have a handle, and what it could have instead.

use std::sync::Arc;

use atproto_data::Handle;
use atproto_data::syntax::Datetime;
use serde_json::{Value, json};

use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.temp.checkHandleAvailability", Auth::None, |app, call| {
        Box::pin(handle(app, call))
    })
    .limited(limits::CHECK_HANDLE_AVAILABILITY);

/// So many other handles are suggested.
const SUGGESTIONS: usize = 3;
/// What is tried at the end of a name that is taken.
const ENDINGS: [&str; 8] = ["1", "2", "3", "-1", "-2", "-here", "-social", "42"];

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let handle: Handle = call.params.required("handle")?;
    let _: Option<Datetime> = call.params.optional("birthDate")?;
    if call
        .params
        .optional_str("email")?
        .is_some_and(|email| !email.contains('@'))
    {
        return Err(XrpcError::bad_request("InvalidEmail", "Invalid email"));
    }
    let result = if is_available(&app, &handle).await? {
        json!({"$type": "com.atproto.temp.checkHandleAvailability#resultAvailable"})
    } else {
        json!({
            "$type": "com.atproto.temp.checkHandleAvailability#resultUnavailable",
            "suggestions": suggestions(&app, &handle).await?,
        })
    };
    respond::json(&json!({"handle": handle.as_str(), "result": result}))
}

async fn suggestions(app: &App, handle: &Handle) -> Result<Vec<Value>, XrpcError> {
    let mut suggestions = Vec::new();
    let Some((name, domain)) = handle.as_str().split_once('.') else {
        return Ok(suggestions);
    };
    for ending in ENDINGS {
        let Ok(other) = format!("{name}{ending}.{domain}").parse::<Handle>() else {
            continue;
        };
        if suggestions.len() < SUGGESTIONS && is_available(app, &other).await? {
            suggestions.push(json!({"handle": other.as_str(), "method": "ending"}));
        }
    }
    Ok(suggestions)
}

async fn is_available(app: &App, handle: &Handle) -> Result<bool, XrpcError> {
    let available = app.accounts.is_handle_available(handle).await;
    available.map_err(|error| XrpcError::internal(&error))
}
