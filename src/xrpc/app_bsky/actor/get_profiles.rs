//! `app.bsky.actor.getProfiles`: profiles from the AppView, with the account's own newest changes.

use std::sync::Arc;

use atproto_data::AtIdentifier;
use serde_json::Value;

use crate::app::App;
use crate::appview::local::profile::{Detail, update};
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::up_to_date;

const NSID: &str = "app.bsky.actor.getProfiles";

/// How many profiles may be asked for.
const MAX_ACTORS: usize = 25;

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let actors: Vec<AtIdentifier> = call.params.required_all("actors")?;
    if actors.len() > MAX_ACTORS {
        return Err(XrpcError::invalid_request(format!(
            "Invalid {NSID} params: array too big (maximum {MAX_ACTORS}, got {})",
            actors.len()
        )));
    }
    let account = &call.caller.access()?.account;
    up_to_date(&app, &call.parts, account, NSID, async |behind| {
        if let Some(profile) = &behind.local.profile {
            let (did, images) = (&account.did, app.appview.images());
            let views = behind.body.get_mut("profiles").and_then(Value::as_array_mut);
            for view in views.into_iter().flatten() {
                update(view, did, &profile.value, images, Detail::Full);
            }
        }
        Ok(())
    })
    .await
}
