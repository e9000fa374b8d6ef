//! Codes that are mailed, as methods ask for them and refuse them.

use std::sync::Arc;

use crate::account::EmailTokenError;
use crate::app::App;
use crate::mail::{Code, Language};
use crate::server::{XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

/// Mails a code to the caller; the answer is empty.
pub(super) async fn mail_code(app: Arc<App>, call: Call, code: Code) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let mailed = app.accounts.mail_code(account, code, language(&call)).await;
    mailed.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}

/// The language that the caller wants mail in.
pub(super) fn language(call: &Call) -> Language {
    Language::preferred(call.header("accept-language"))
}

/// Why a code is refused, as clients see it.
pub(super) fn token_error(error: EmailTokenError) -> XrpcError {
    let message = error.to_string();
    match error {
        EmailTokenError::Invalid => XrpcError::invalid_token(message),
        EmailTokenError::Expired => XrpcError::expired_token(message),
        EmailTokenError::Store(error) => XrpcError::internal(&error),
    }
}
