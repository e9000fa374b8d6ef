//! Threads: where the account's newest replies belong in them.

use serde_json::{Value, json};

use super::LocalRecord;

const THREAD: &str = "app.bsky.feed.defs#threadViewPost";

/// Whether this is a thread with its first post.
pub fn is_thread(thread: &Value) -> bool {
    thread["$type"] == THREAD
}

/// A thread of one post.
pub fn alone(view: Value) -> Value {
    let mut thread = json!({"$type": THREAD});
    thread["post"] = view;
    thread
}

/// The posts that reply in the conversation of which `post`, a record, is a part.
pub fn replies<'p>(uri: &str, post: &Value, posts: &'p [LocalRecord]) -> Vec<&'p LocalRecord> {
    let root = root_of(post).unwrap_or(uri);
    let belongs = |reply: &&LocalRecord| root_of(&reply.value).is_some_and(|of| of == uri || of == root);
    posts.iter().filter(belongs).collect()
}

/// The post that a post replies to.
pub fn parent_of(post: &Value) -> Option<&str> {
    post["reply"]["parent"]["uri"].as_str()
}

/// Puts the view of a reply below the post that it replies to, before older replies.
pub fn insert(thread: &mut Value, parent: &str, reply: &Value) {
    if !is_thread(thread) {
        return;
    }
    if thread["post"]["uri"] == parent {
        if !thread["replies"].is_array() {
            thread["replies"] = json!([]);
        }
        let replies = thread["replies"].as_array_mut();
        for replies in replies.into_iter().filter(|replies| !has(replies, reply)) {
            replies.insert(0, alone(reply.clone()));
        }
        return;
    }
    if let Some(replies) = thread.get_mut("replies").and_then(Value::as_array_mut) {
        for below in replies {
            insert(below, parent, reply);
        }
    }
}

fn has(replies: &[Value], reply: &Value) -> bool {
    replies.iter().any(|other| other["post"]["uri"] == reply["uri"])
}

fn root_of(post: &Value) -> Option<&str> {
    post["reply"]["root"]["uri"].as_str()
}
