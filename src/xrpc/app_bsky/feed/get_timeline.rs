//! `app.bsky.feed.getTimeline`: the timeline from the AppView, with the account's own newest posts.

use std::sync::Arc;

use super::PAGE;
use crate::app::App;
use crate::appview::local::feed;
use crate::server::{Access, Auth, Method, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::{is_first_page, up_to_date};

const NSID: &str = "app.bsky.feed.getTimeline";

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    call.params.optional_integer("limit", PAGE)?;
    let account = &call.caller.access()?.account;
    up_to_date(&app, &call.parts, account, NSID, async |behind| {
        if is_first_page(&call.params)? {
            let missing = feed::missing(&behind.body, &behind.local.posts);
            let views = behind.views(&missing).await;
            feed::insert(&mut behind.body, views);
        }
        Ok(())
    })
    .await
}
