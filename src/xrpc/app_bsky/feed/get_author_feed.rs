//! `app.bsky.feed.getAuthorFeed`: somebody's posts from the AppView; the account's own with its newest ones, name and picture.

use std::sync::Arc;

use atproto_data::{AtIdentifier, Did};
use serde_json::Value;

use super::PAGE;
use crate::app::App;
use crate::appview::local::feed;
use crate::server::{Access, Auth, Method, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::app_bsky::read_after_write::{is_first_page, up_to_date};

const NSID: &str = "app.bsky.feed.getAuthorFeed";

pub(crate) const METHOD: Method<App> = Method::query(NSID, Auth::Access(Access::STANDARD), |app, call| {
    Box::pin(handle(app, call))
});

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let actor: AtIdentifier = call.params.required("actor")?;
    call.params.optional_integer("limit", PAGE)?;
    call.params.optional_flag("includePins")?;
    let filter = call.params.optional_str("filter")?.unwrap_or_default();
    let account = &call.caller.access()?.account;
    up_to_date(&app, &call.parts, account, NSID, async |behind| {
        if !account.is_named(&actor) {
            return Ok(());
        }
        if let Some(profile) = &behind.local.profile {
            feed::update_authors(&mut behind.body, &account.did, &profile.value, app.appview.images());
        }
        if is_first_page(&call.params)? {
            let mut missing = feed::missing(&behind.body, &behind.local.posts);
            missing.retain(|post| belongs(filter, &post.value, &account.did));
            let views = behind.views(&missing).await;
            feed::insert(&mut behind.body, views);
        }
        Ok(())
    })
    .await
}

/// Whether a post passes a feed's filter, as the AppView would see it.
fn belongs(filter: &str, post: &Value, did: &Did) -> bool {
    let is_reply = post["reply"].is_object();
    let is_own = |end: &str| {
        let uri = post["reply"][end]["uri"].as_str().unwrap_or_default();
        uri.strip_prefix("at://")
            .and_then(|uri| uri.strip_prefix(did.as_str()))
            .is_some()
    };
    let embedded = |kinds: &[&str]| {
        let embeds = [&post["embed"], &post["embed"]["media"]];
        let names = embeds.into_iter().filter_map(|embed| embed["$type"].as_str());
        names
            .filter_map(|name| name.strip_prefix("app.bsky.embed."))
            .any(|kind| kinds.contains(&kind))
    };
    match filter {
        "posts_no_replies" => !is_reply,
        "posts_and_author_threads" => !is_reply || (is_own("root") && is_own("parent")),
        "posts_with_media" => embedded(&["images", "gallery", "video"]),
        "posts_with_video" => embedded(&["video"]),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn filters_are_those_of_the_appview() {
        let did: Did = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let own = format!("at://{did}/app.bsky.feed.post/a");
        let others = "at://did:plc:bbbbbbbbbbbbbbbbbbbbbbbb/app.bsky.feed.post/a";
        let reply = |root: &str, parent: &str| json!({"reply": {"root": {"uri": root}, "parent": {"uri": parent}}});
        let embed = |kind: &str| json!({"embed": {"$type": format!("app.bsky.embed.{kind}")}});
        let with_media =
            json!({"embed": {"$type": "app.bsky.embed.recordWithMedia", "media": {"$type": "app.bsky.embed.video"}}});
        let filters = [
            "posts_with_replies",
            "posts_no_replies",
            "posts_and_author_threads",
            "posts_with_media",
            "posts_with_video",
        ];
        for (post, expected) in [
            (json!({}), [true, true, true, false, false]),
            (reply(&own, &own), [true, false, true, false, false]),
            (reply(others, &own), [true, false, false, false, false]),
            (reply(&own, others), [true, false, false, false, false]),
            (embed("images"), [true, true, true, true, false]),
            (embed("video"), [true, true, true, true, true]),
            (embed("external"), [true, true, true, false, false]),
            (with_media, [true, true, true, true, true]),
        ] {
            assert_eq!(filters.map(|filter| belongs(filter, &post, &did)), expected, "{post}");
        }
    }
}
