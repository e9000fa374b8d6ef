//! `com.atproto.identity.*`.

pub(in crate::xrpc) mod get_recommended_did_credentials;
pub(in crate::xrpc) mod resolve_handle;
pub(in crate::xrpc) mod update_handle;
