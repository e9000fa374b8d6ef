//! `app.bsky.*`: what this server answers itself, or passes on in a way of its own.

pub(super) mod actor;
pub(super) mod feed;
pub(super) mod notification;
mod read_after_write;
