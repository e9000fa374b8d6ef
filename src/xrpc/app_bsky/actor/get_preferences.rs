//! `app.bsky.actor.getPreferences`: what the account's apps keep here for each other.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use crate::account::PreferenceAccess;
use crate::app::App;
use crate::server::{Access, Auth, Method, Params, XrpcError, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::proxy::{ask_as, is_for_others, method};
use crate::xrpc::{Call, Caller};

const NSID: &str = "app.bsky.actor.getPreferences";

pub(crate) const METHOD: Method<App> = Method::query(
    NSID,
    Auth::AccessOrModerator(Access::STANDARD.or(SessionScope::Takendown)),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let is_for_others = is_for_others(&app, call.headers(), NSID)?;
    let (account_id, access) = match &call.caller {
        Caller::Moderator(_) if is_for_others => {
            let message = "Moderator requests cannot be proxied to other app views";
            return Err(XrpcError::invalid_request(message));
        }
        Caller::Moderator(_) => (account_of(&app, &call.params).await?, PreferenceAccess::Full),
        caller => {
            let access = caller.access()?;
            if is_for_others {
                let response = ask_as(&app, &call.parts, &method(NSID)?, &access.account.did).await?;
                return app.appview.pass_on(response);
            }
            (access.account.account_id, preference_access(access.scope))
        }
    };
    let preferences = app.accounts.preferences(account_id, access).await;
    let preferences = preferences.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&json!({"preferences": preferences}))
}

/// The account that the moderation service asks about, by a parameter that no lexicon names.
async fn account_of(app: &App, params: &Params) -> Result<i64, XrpcError> {
    let invalid = || XrpcError::invalid_request("Invalid or missing did parameter");
    let did: Did = params.required("did").map_err(|_| invalid())?;
    let account = app.accounts.find_did(&did).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    Ok(account.ok_or_else(invalid)?.account_id)
}

/// What a session may see of the preferences.
pub(super) fn preference_access(scope: SessionScope) -> PreferenceAccess {
    match scope {
        SessionScope::Access => PreferenceAccess::Full,
        _ => PreferenceAccess::Limited,
    }
}
