//! `com.atproto.server.updateEmail`: another e-mail address for the caller's account, or its second factor on or off.

use std::sync::Arc;

use crate::account::{EmailFactor, EmailUpdate, UpdateEmailError};
use crate::app::App;
use crate::server::auth::Status;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::com_atproto::admin::update_account_email::email_error;
use crate::xrpc::mailed_code::token_error;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.updateEmail",
    Auth::Access(Access::FULL.status(Status::NotTakendown)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let factor = call.input.optional_flag("emailAuthFactor")?;
    let change = EmailUpdate {
        address: call.input.required_str("email")?.to_owned(),
        factor: factor.map(|on| if on { EmailFactor::On } else { EmailFactor::Off }),
        token: call
            .input
            .optional_str("token")?
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
    };
    match app.accounts.update_email(account, change).await {
        Ok(()) => Ok(respond::empty()),
        Err(error) => Err(refusal(error)),
    }
}

fn refusal(error: UpdateEmailError) -> XrpcError {
    match error {
        UpdateEmailError::TokenRequired => XrpcError::bad_request("TokenRequired", error.to_string()),
        UpdateEmailError::NotConfirmed | UpdateEmailError::NoMail => XrpcError::invalid_request(error.to_string()),
        UpdateEmailError::Token(error) => token_error(error),
        UpdateEmailError::Email(error) => email_error(error),
    }
}
