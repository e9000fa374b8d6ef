//! `app.bsky.feed.*`.

pub(in crate::xrpc) mod get_feed;
