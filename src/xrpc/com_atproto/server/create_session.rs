//! `com.atproto.server.createSession`: logs in.

use std::sync::Arc;

use super::session_output::SessionOutput;
use crate::account::{Login, LoginError};
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::mailed_code::{language, token_error};
use crate::xrpc::origin::origin;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.createSession",
    Auth::None,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::CREATE_SESSION);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let login = Login {
        identifier: call.input.required_str("identifier")?.to_owned(),
        password: call.input.required_str("password")?.to_owned(),
        allow_takendown: call.input.flag("allowTakendown")?,
        from: origin(&call.meter()),
        factor_token: call.input.optional_str("authFactorToken")?.map(str::to_owned),
        language: language(&call),
    };
    let session = app.accounts.log_in(login).await.map_err(refusal)?;
    let document = app.accounts.document_for_session(&session.account.did).await;
    respond::json(&SessionOutput::from(session).with_document(document))
}

fn refusal(error: LoginError) -> XrpcError {
    let message = error.to_string();
    match error {
        LoginError::Wrong | LoginError::TooLong => XrpcError::authentication_failed(message),
        LoginError::FactorRequired => XrpcError::unauthorized("AuthFactorTokenRequired", message),
        LoginError::Factor(error) => token_error(error),
        LoginError::TakenDown => XrpcError::unauthorized("AccountTakedown", message),
        LoginError::Password(_) => XrpcError::not_enough_resources(message),
        LoginError::Store(error) => XrpcError::internal(&error),
    }
}
