//! `com.atproto.server.requestPasswordReset`: mails a code for choosing a new password. The answer is the same for unknown addresses.

use std::sync::Arc;

use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::mailed_code::language;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.requestPasswordReset",
    Auth::None,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::REQUEST_PASSWORD_RESET);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let email = call.input.required_str("email")?;
    let requested = app.accounts.request_password_reset(email, language(&call)).await;
    requested.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
