//! `app.bsky.actor.putPreferences`: replaces what the account's apps keep here for each other.

use std::sync::Arc;

use atproto_data::Value;
use atproto_data::json::to_vec;
use atproto_lexicon::Catalogue;

use super::get_preferences::preference_access;
use crate::account::PreferencesError;
use crate::app::App;
use crate::server::auth::Status;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::proxy::{is_for_others, send_json};

const NSID: &str = "app.bsky.actor.putPreferences";
/// What the preferences have to be; of types that it does not know they may be, too.
const SCHEMA: &str = "app.bsky.actor.defs#preferences";

pub(crate) const METHOD: Method<App> = Method::procedure(
    NSID,
    Auth::Access(Access::STANDARD.status(Status::NotTakendown)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let access = call.caller.access()?;
    if is_for_others(&app, call.headers(), NSID)? {
        let did = &access.account.did;
        let service = app.appview.service(did, call.headers(), NSID).await?;
        let body = to_vec(&Value::Map(call.input.as_map().clone()));
        let response = send_json(&app, call.headers(), NSID, &service, did, body).await?;
        return app.appview.pass_on(response);
    }
    if let Some(preferences) = call.input.as_map().get("preferences") {
        let checked = Catalogue::bundled().validate_value(SCHEMA, preferences, "$.preferences");
        checked.map_err(|issue| XrpcError::invalid_request(issue.to_string()))?;
    }
    let mut preferences = Vec::new();
    for preference in call.input.take_required_objects("preferences")? {
        preference.required_type()?;
        let json = to_vec(&Value::Map(preference.into_map()));
        preferences.push(serde_json::from_slice(&json).map_err(|error| XrpcError::internal(&error))?);
    }
    let (account_id, access) = (access.account.account_id, preference_access(access.scope));
    match app.accounts.put_preferences(account_id, access, preferences).await {
        Ok(()) => Ok(respond::empty()),
        Err(PreferencesError::Store(error)) => Err(XrpcError::internal(&error)),
        Err(error) => Err(XrpcError::invalid_request(error.to_string())),
    }
}
