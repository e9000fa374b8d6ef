//! Feeds: where the account's newest posts belong in them.

use atproto_data::Did;
use serde_json::{Value, json};

use super::LocalRecord;
use super::images::ImageUrls;
use super::profile::{self, Detail};

/// Why an item is in a feed, beside that it is somebody's post.
const PINNED: &str = "app.bsky.feed.defs#reasonPin";
const REPOSTED: &str = "app.bsky.feed.defs#reasonRepost";

/// The posts that belong on this page of a feed: those newer than its last one, and not on it yet.
pub fn missing<'p>(answer: &Value, posts: &'p [LocalRecord]) -> Vec<&'p LocalRecord> {
    let Some(feed) = answer["feed"].as_array() else {
        return Vec::new();
    };
    let end = feed.last().and_then(time).unwrap_or_default();
    let is_there = |post: &LocalRecord| feed.iter().any(|item| item["post"]["uri"] == post.uri.as_str());
    posts
        .iter()
        .filter(|post| post.indexed_at.as_str() > end && !is_there(post))
        .collect()
}

/// Puts views of posts where their time has them.
pub fn insert(answer: &mut Value, views: Vec<Value>) {
    let Some(feed) = items(answer) else { return };
    for view in views {
        let item = json!({"post": view});
        let own = time(&item).unwrap_or_default().to_owned();
        let is_older = |other: &Value| time(other).is_some_and(|other| other < own.as_str());
        let place = feed.iter().position(is_older).unwrap_or(feed.len());
        feed.insert(place, item);
    }
}

/// Brings the account's own name and picture up to date wherever it is the author.
pub fn update_authors(answer: &mut Value, did: &Did, record: &Value, images: &ImageUrls) {
    for item in items(answer).into_iter().flatten() {
        if let Some(author) = item.get_mut("post").and_then(|post| post.get_mut("author")) {
            profile::update(author, did, record, images, Detail::Basic);
        }
    }
}

fn items(answer: &mut Value) -> Option<&mut Vec<Value>> {
    answer.get_mut("feed")?.as_array_mut()
}

/// The time by which an item has its place: that of the post, or of its repost. A pinned post has none: it is first.
fn time(item: &Value) -> Option<&str> {
    match item["reason"]["$type"].as_str() {
        Some(PINNED) => None,
        Some(REPOSTED) => item["reason"]["indexedAt"].as_str(),
        _ => item["post"]["indexedAt"].as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_posts_are_below_a_pinned_one_and_among_reposts_by_their_time() {
        let view = |name: &str, time: &str| json!({"uri": name, "indexedAt": time});
        let mut answer = json!({"feed": [
            {"post": view("pinned", "2020"), "reason": {"$type": PINNED}},
            {"post": view("reposted", "2020"), "reason": {"$type": REPOSTED, "indexedAt": "2026-03"}},
            {"post": view("old", "2025")},
        ]});
        insert(&mut answer, vec![view("a", "2026-02"), view("b", "2026-04")]);
        let feed = answer["feed"].as_array().into_iter().flatten();
        let names: Vec<&str> = feed.filter_map(|item| item["post"]["uri"].as_str()).collect();
        assert_eq!(names, ["pinned", "b", "reposted", "a", "old"]);
    }
}
