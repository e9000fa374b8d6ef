//! `app.bsky.actor.getProfiles`: profiles from the AppView, with the account's own newest changes.

use std::sync::Arc;

use serde_json::Value;

use crate::app::App;
use crate::appview::local::profile::{Detail, update};
use crate::server::{Access, Auth, Method, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::{Asked, ask};

const NSID: &str = "app.bsky.actor.getProfiles";

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let mut behind = match ask(&app, &call.parts, account, NSID).await? {
        Asked::Current(answer) => return Ok(answer),
        Asked::Behind(behind) => behind,
    };
    if let Some(profile) = &behind.local.profile {
        let views = behind.body.get_mut("profiles").and_then(Value::as_array_mut);
        for view in views.into_iter().flatten() {
            update(view, &account.did, &profile.value, app.appview.images(), Detail::Full);
        }
    }
    behind.respond()
}
