//! `app.bsky.notification.*`.

mod push_service;
pub(in crate::xrpc) mod register_push;
pub(in crate::xrpc) mod unregister_push;
