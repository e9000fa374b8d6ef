//! `com.atproto.server.resetPassword`: another password, with a mailed code. It ends all sessions.

use std::sync::Arc;

use crate::account::ResetPasswordError;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcResult, respond};
use crate::xrpc::com_atproto::admin::update_account_password::password_error;
use crate::xrpc::mailed_code::token_error;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.resetPassword",
    Auth::None,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::RESET_PASSWORD);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let token = call.input.required_str("token")?;
    let password = call.input.required_str("password")?;
    match app.accounts.reset_password(token, password).await {
        Ok(()) => Ok(respond::empty()),
        Err(ResetPasswordError::Token(error)) => Err(token_error(error)),
        Err(ResetPasswordError::Password(error)) => Err(password_error(error)),
    }
}
