//! Feeds: where the account's newest posts belong in them.

use atproto_data::Did;
use serde_json::{Value, json};

use super::LocalRecord;
use super::images::ImageUrls;
use super::profile::{self, Detail};

/// The posts that belong on this page of a feed: those newer than its last one, and not on it yet.
pub fn missing<'p>(answer: &Value, posts: &'p [LocalRecord]) -> Vec<&'p LocalRecord> {
    let Some(feed) = answer["feed"].as_array() else {
        return Vec::new();
    };
    let end = feed.last().and_then(indexed_at).unwrap_or_default();
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
        let time = indexed_at(&item).unwrap_or_default().to_owned();
        let is_older = |other: &Value| indexed_at(other).is_some_and(|other| other < time.as_str());
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

fn indexed_at(item: &Value) -> Option<&str> {
    item["post"]["indexedAt"].as_str()
}
