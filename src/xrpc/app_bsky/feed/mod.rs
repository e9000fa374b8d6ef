//! `app.bsky.feed.*`.

pub(in crate::xrpc) mod get_actor_likes;
pub(in crate::xrpc) mod get_author_feed;
pub(in crate::xrpc) mod get_feed;
pub(in crate::xrpc) mod get_post_thread;
pub(in crate::xrpc) mod get_timeline;

use std::ops::RangeInclusive;

/// How many posts a page may have.
const PAGE: RangeInclusive<i64> = 1..=100;
