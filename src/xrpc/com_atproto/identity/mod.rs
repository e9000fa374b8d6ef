//! `com.atproto.identity.*`.

pub(in crate::xrpc) mod get_recommended_did_credentials;
mod identity_info;
pub(in crate::xrpc) mod refresh_identity;
pub(in crate::xrpc) mod request_plc_operation_signature;
pub(in crate::xrpc) mod resolve_did;
pub(in crate::xrpc) mod resolve_handle;
pub(in crate::xrpc) mod resolve_identity;
pub(in crate::xrpc) mod sign_plc_operation;
pub(in crate::xrpc) mod submit_plc_operation;
pub(in crate::xrpc) mod update_handle;
