//! Posts as the AppView shows them.

use atproto_data::Did;
use serde_json::{Value, json};

use super::LocalRecord;
use super::embed::{self, Quoted};
use super::images::ImageUrls;

/// The view of a post that nobody has had time to like (`app.bsky.feed.defs#postView`).
pub fn view(post: &LocalRecord, author: &Value, quoted: &Quoted, did: &Did, images: &ImageUrls) -> Value {
    let mut view = json!({
        "uri": post.uri,
        "cid": post.cid,
        "author": author,
        "record": post.value,
        "likeCount": 0,
        "replyCount": 0,
        "repostCount": 0,
        "quoteCount": 0,
        "indexedAt": post.indexed_at,
    });
    if let Some(embed) = embed::view(&post.value["embed"], quoted, did, images) {
        view["embed"] = embed;
    }
    view
}
