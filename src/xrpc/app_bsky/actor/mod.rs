//! `app.bsky.actor.*`.

pub(in crate::xrpc) mod get_preferences;
pub(in crate::xrpc) mod get_profile;
pub(in crate::xrpc) mod get_profiles;
pub(in crate::xrpc) mod put_preferences;
