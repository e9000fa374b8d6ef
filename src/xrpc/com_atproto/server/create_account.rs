//! `com.atproto.server.createAccount`: a new account, with a new DID or with one that its owner brings along.

use std::sync::Arc;

use atproto_data::{Did, Handle};
use serde::Serialize;

use crate::account::{CreateError, NewAccount};
use crate::app::App;
use crate::identity::HandleRefused;
use crate::server::{Accepts, Auth, Input, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.createAccount",
    Auth::OptionalService,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::CREATE_ACCOUNT);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    handle: String,
    did: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_doc: Option<serde_json::Value>,
    access_jwt: String,
    refresh_jwt: String,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let new = read(&call.input)?;
    let email = new.email.clone().unwrap_or_default();
    let created = match brought_did(&call)? {
        Some(did) => {
            let points_to = points_to(&app, &new.handle).await;
            app.accounts.create_for_did(did, new, points_to.as_ref()).await
        }
        None => app.accounts.create(new).await,
    };
    let created = created.map_err(|error| refusal(&error, &email))?;
    let session = created.session;
    respond::json(&Output {
        handle: session.account.handle.to_string(),
        did: session.account.did.to_string(),
        did_doc: created.document,
        access_jwt: session.access_jwt,
        refresh_jwt: session.refresh_jwt,
    })
}

fn read(input: &Input) -> Result<NewAccount, XrpcError> {
    let handle: Handle = input.required("handle")?;
    let text = |name| input.optional_str(name).map(|text| text.map(str::to_owned));
    let new = NewAccount {
        handle,
        email: text("email")?,
        password: text("password")?,
        invite_code: text("inviteCode")?,
        recovery_key: text("recoveryKey")?,
    };
    for unused in ["verificationCode", "verificationPhone"] {
        input.optional_str(unused)?;
    }
    if input.get("plcOp").is_some() {
        return Err(XrpcError::invalid_request("Unsupported input: \"plcOp\""));
    }
    Ok(new)
}

/// The DID that the account is to have, if it exists: its owner has to say so with a service token.
fn brought_did(call: &Call) -> Result<Option<Did>, XrpcError> {
    let did: Option<Did> = call.input.optional("did")?;
    match did {
        Some(did) if call.caller.did() != Some(&did) => Err(XrpcError::authentication_failed(format!(
            "Missing auth to create account with did: {did}"
        ))),
        did => Ok(did),
    }
}

/// The DID that a handle of another domain points to.
async fn points_to(app: &App, handle: &Handle) -> Option<Did> {
    if app.accounts.handle_rules().is_service_handle(handle) {
        return None;
    }
    app.handles.refresh(handle).await
}

fn refusal(error: &CreateError, email: &str) -> XrpcError {
    let message = error.to_string();
    match error {
        CreateError::EmailMissing
        | CreateError::EmailRefused(_)
        | CreateError::PasswordEmpty
        | CreateError::PasswordTooLong
        | CreateError::RecoveryKey
        | CreateError::HandleNotProven
        | CreateError::DidMethod
        | CreateError::HandleTaken(_) => XrpcError::invalid_request(message),
        // Tools that move accounts go on from there.
        CreateError::DidTaken(_) => XrpcError::bad_request("AlreadyExists", message),
        CreateError::EmailTaken => XrpcError::invalid_request(format!("{message}: {email}")),
        CreateError::Handle(refused) => XrpcError::bad_request(handle_error(*refused), message),
        CreateError::Invite(_) => XrpcError::bad_request("InvalidInviteCode", message),
        CreateError::Plc(error) if error.is_refusal() => XrpcError::invalid_request(message),
        CreateError::Plc(_) => XrpcError::upstream_failure(message),
        CreateError::Interrupted | CreateError::Password(_) => XrpcError::not_enough_resources(message),
        CreateError::Key(_) | CreateError::Store(_) => XrpcError::internal(error),
    }
}

/// The error name for a handle that is against the rules.
fn handle_error(refused: HandleRefused) -> &'static str {
    match refused {
        HandleRefused::Reserved | HandleRefused::KeptBack => "HandleNotAvailable",
        HandleRefused::UnsupportedDomain => "UnsupportedDomain",
        _ => "InvalidHandle",
    }
}
