//! `app.bsky.actor.getProfile`: a profile from the AppView, with the account's own newest changes.

use std::sync::Arc;

use atproto_data::AtIdentifier;

use crate::app::App;
use crate::appview::local::profile::{Detail, update};
use crate::server::{Access, Auth, Method, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::up_to_date;

const NSID: &str = "app.bsky.actor.getProfile";

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    call.params.required::<AtIdentifier>("actor")?;
    let account = &call.caller.access()?.account;
    up_to_date(&app, &call.parts, account, NSID, async |behind| {
        if let Some(profile) = &behind.local.profile {
            let (did, images) = (&account.did, app.appview.images());
            update(&mut behind.body, did, &profile.value, images, Detail::Full);
        }
        Ok(())
    })
    .await
}
