//! `com.atproto.server.confirmEmail`: notes that the caller's e-mail address is theirs, as a mailed code proves.

use std::sync::Arc;

use crate::account::ConfirmEmailError;
use crate::app::App;
use crate::server::auth::{OAuth, Status};
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::mailed_code::token_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.confirmEmail",
    Auth::Access(
        Access::STANDARD
            .status(Status::NotTakendown)
            .oauth(OAuth::Scope("account:email?action=manage")),
    ),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let email = call.input.required_str("email")?;
    let token = call.input.required_str("token")?;
    match app.accounts.confirm_email(account, email, token).await {
        Ok(()) => Ok(respond::empty()),
        Err(ConfirmEmailError::OtherEmail) => {
            let message = ConfirmEmailError::OtherEmail.to_string();
            Err(XrpcError::bad_request("InvalidEmail", message))
        }
        Err(ConfirmEmailError::Token(error)) => Err(token_error(error)),
    }
}
