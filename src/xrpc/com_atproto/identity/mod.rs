//! `com.atproto.identity.*`.

pub(in crate::xrpc) mod resolve_handle;
