//! `com.atproto.temp.*`.

pub(in crate::xrpc) mod add_reserved_handle;
pub(in crate::xrpc) mod check_handle_availability;
pub(in crate::xrpc) mod check_signup_queue;
pub(in crate::xrpc) mod revoke_account_credentials;
