//! `app.bsky.actor.getProfile`: a profile from the AppView, with the account's own newest changes.

use std::sync::Arc;

use crate::app::App;
use crate::appview::local::profile::{Detail, update};
use crate::server::{Access, Auth, Method, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::{Asked, ask};

const NSID: &str = "app.bsky.actor.getProfile";

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
        let images = app.appview.images();
        update(&mut behind.body, &account.did, &profile.value, images, Detail::Full);
    }
    behind.respond()
}
