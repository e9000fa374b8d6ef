//! `com.atproto.*`.

pub(super) mod admin;
pub(super) mod identity;
pub(super) mod moderation;
pub(super) mod repo;
pub(super) mod server;
pub(super) mod sync;
pub(super) mod temp;
