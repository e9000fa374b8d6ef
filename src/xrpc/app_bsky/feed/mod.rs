//! `app.bsky.feed.*`.

pub(in crate::xrpc) mod get_actor_likes;
pub(in crate::xrpc) mod get_author_feed;
pub(in crate::xrpc) mod get_feed;
pub(in crate::xrpc) mod get_post_thread;
pub(in crate::xrpc) mod get_timeline;
