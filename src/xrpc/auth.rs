//! From credentials to the caller: what `server/auth` picks is verified here against accounts and sessions.

use axum::http::request::Parts;

use super::caller::Caller;
use crate::account::{Account, AccountStatus, TokenError};
use crate::app::App;
use crate::identity::{Issuer, ServiceCaller, ServiceTokenError, Uses};
use crate::server::auth::{Credential, Status, credential, guesses_admin_password};
use crate::server::{Access, Auth, Meter, XrpcError};

/// Finds out who calls and refuses those that `auth` shuts out.
pub(crate) async fn authenticate(app: &App, auth: Auth, request: &Parts, nsid: &str) -> Result<Caller, XrpcError> {
    match pick(app, auth, request).await? {
        Credential::Anonymous => Ok(Caller::Anonymous),
        Credential::Admin => Ok(Caller::Admin),
        Credential::AccessToken(token, required) => account(app, &token, required).await,
        Credential::RefreshToken(token) => refresh(app, &token, auth),
        Credential::ServiceToken(token) => service(app, &token, auth, nsid).await.map(Caller::Service),
        Credential::ModeratorToken(token) => moderator(app, &token, auth, nsid).await.map(Caller::Moderator),
        // OAuth tokens are verified once this server issues them.
        Credential::DpopToken(..) => Err(XrpcError::invalid_token("Token could not be verified")),
    }
}

/// Picks the credential to verify. Whoever has given wrong administrator's passwords waits before another one is looked at.
async fn pick(app: &App, auth: Auth, request: &Parts) -> Result<Credential, XrpcError> {
    let picked = || credential(auth, &request.headers, app.admin_password());
    if !guesses_admin_password(auth, &request.headers) {
        return picked();
    }
    let meter = Meter::of(request);
    meter.before_admin_guess().await;
    let picked = picked();
    if picked.is_ok() {
        meter.admin_guess_was_right();
    } else {
        tracing::warn!(client = ?meter.client(), "wrong administrator's password");
    }
    picked
}

async fn service(app: &App, token: &str, auth: Auth, nsid: &str) -> Result<ServiceCaller, XrpcError> {
    let verified = app
        .service_verifier
        .verify(token, nsid, Issuer::AnyAccount, uses(auth))
        .await;
    verified.map_err(|error| service_token_error(&error))
}

async fn moderator(app: &App, token: &str, auth: Auth, nsid: &str) -> Result<ServiceCaller, XrpcError> {
    let trusted = app.moderation_service().ok_or(ServiceTokenError::Untrusted);
    let trusted = trusted.map_err(|error| service_token_error(&error))?;
    let issuer = Issuer::Service(trusted);
    let verified = app.service_verifier.verify(token, nsid, issuer, uses(auth)).await;
    verified.map_err(|error| service_token_error(&error))
}

/// An upload may be tried again with the same token, and reading may be repeated; what changes an account or a subject may not.
fn uses(auth: Auth) -> Uses {
    match auth {
        Auth::OptionalService | Auth::Moderator => Uses::One,
        _ => Uses::Many,
    }
}

fn service_token_error(error: &ServiceTokenError) -> XrpcError {
    let name = match error {
        ServiceTokenError::Malformed | ServiceTokenError::TooLong | ServiceTokenError::Spent => "BadJwt",
        ServiceTokenError::Type(_) => "BadJwtType",
        ServiceTokenError::Expired => "JwtExpired",
        ServiceTokenError::Audience => "BadJwtAudience",
        ServiceTokenError::Method(_) | ServiceTokenError::MethodMissing(_) => "BadJwtLexiconMethod",
        ServiceTokenError::Issuer => "BadJwtIss",
        ServiceTokenError::Untrusted => "UntrustedIss",
        ServiceTokenError::Signature => "BadJwtSignature",
        ServiceTokenError::Unresolved | ServiceTokenError::KeyMissing => "AuthenticationRequired",
    };
    XrpcError::unauthorized(name, error.to_string())
}

async fn account(app: &App, token: &str, required: Access) -> Result<Caller, XrpcError> {
    let access = app.accounts.authenticate(token).await.map_err(|error| match error {
        // As the reference, which looks for the account only where its status matters.
        TokenError::UnknownAccount(_) if required.required_status() != Status::Any => {
            XrpcError::forbidden_as("AccountNotFound", error.to_string())
        }
        error => token_error(error),
    })?;
    if !required.takes(access.scope) {
        return Err(XrpcError::invalid_token("Bad token scope"));
    }
    check_status(required.required_status(), &access.account)?;
    Ok(Caller::Account(access))
}

/// Refuses accounts in a state that a method does not let in.
pub(crate) fn check_status(required: Status, account: &Account) -> Result<(), XrpcError> {
    match (required, account.status) {
        (Status::NotTakendown | Status::Active, AccountStatus::TakenDown) => Err(XrpcError::unauthorized(
            "AccountTakedown",
            "Account has been taken down",
        )),
        (Status::Active, AccountStatus::Deactivated) => {
            Err(XrpcError::unauthorized("AccountDeactivated", "Account is deactivated"))
        }
        _ => Ok(()),
    }
}

fn refresh(app: &App, token: &str, auth: Auth) -> Result<Caller, XrpcError> {
    let token = match auth {
        Auth::RefreshEvenIfExpired => app.accounts.read_refresh_token_even_if_expired(token),
        _ => app.accounts.read_refresh_token(token),
    };
    token.map(Caller::Refresh).map_err(token_error)
}

fn token_error(error: TokenError) -> XrpcError {
    match error {
        TokenError::Expired | TokenError::Revoked => XrpcError::expired_token(error.to_string()),
        TokenError::TakenDown => XrpcError::unauthorized("AccountTakedown", error.to_string()),
        TokenError::Store(error) => XrpcError::internal(&error),
        TokenError::UnknownAccount(did) => {
            XrpcError::invalid_request(format!("Could not find user info for account: {did}"))
        }
        other => XrpcError::invalid_token(other.to_string()),
    }
}
