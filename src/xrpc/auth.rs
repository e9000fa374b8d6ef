//! From credentials to the caller: what `server/auth` picks is verified here against accounts and sessions.

use axum::http::request::Parts;

use super::caller::Caller;
use crate::account::{Account, AccountStatus, Scope, TokenError};
use crate::app::App;
use crate::server::auth::{Credential, LegacyScope, Status, credential};
use crate::server::{Access, Auth, XrpcError};

/// Finds out who calls and refuses those that `auth` shuts out.
pub(crate) async fn authenticate(app: &App, auth: Auth, request: &Parts) -> Result<Caller, XrpcError> {
    match credential(auth, &request.headers, app.admin_password())? {
        Credential::Anonymous => Ok(Caller::Anonymous),
        Credential::Admin => Ok(Caller::Admin),
        Credential::AccessToken(token, required) => account(app, &token, required).await,
        Credential::RefreshToken(token) => refresh(app, &token, auth),
        // Service tokens and OAuth are verified once this server issues and takes them.
        Credential::DpopToken(..) | Credential::ServiceToken(_) | Credential::ModeratorToken(_) => {
            Err(XrpcError::invalid_token("Token could not be verified"))
        }
    }
}

async fn account(app: &App, token: &str, required: Access) -> Result<Caller, XrpcError> {
    let access = app.accounts.authenticate(token).await.map_err(token_error)?;
    if !required.takes(legacy(access.scope)) {
        return Err(XrpcError::invalid_token("Bad token scope"));
    }
    check_status(required.required_status(), &access.account)?;
    Ok(Caller::Account(Box::new(access)))
}

fn check_status(required: Status, account: &Account) -> Result<(), XrpcError> {
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

fn legacy(scope: Scope) -> LegacyScope {
    match scope {
        Scope::Access => LegacyScope::Access,
        Scope::AppPass => LegacyScope::AppPass,
        Scope::AppPassPrivileged => LegacyScope::AppPassPrivileged,
        Scope::Takendown => LegacyScope::Takendown,
        Scope::SignupQueued => LegacyScope::SignupQueued,
    }
}

fn token_error(error: TokenError) -> XrpcError {
    match error {
        TokenError::Expired | TokenError::Revoked => XrpcError::expired_token(error.to_string()),
        TokenError::Store(error) => XrpcError::internal(&error),
        TokenError::UnknownAccount(did) => {
            XrpcError::invalid_request(format!("Could not find user info for account: {did}"))
        }
        other => XrpcError::invalid_token(other.to_string()),
    }
}
