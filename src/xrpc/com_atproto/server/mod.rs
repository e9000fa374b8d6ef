//! `com.atproto.server.*`.

pub(in crate::xrpc) mod activate_account;
pub(in crate::xrpc) mod check_account_status;
pub(in crate::xrpc) mod create_account;
pub(in crate::xrpc) mod create_invite_code;
pub(in crate::xrpc) mod create_invite_codes;
pub(in crate::xrpc) mod create_session;
pub(in crate::xrpc) mod deactivate_account;
pub(in crate::xrpc) mod delete_session;
pub(in crate::xrpc) mod describe_server;
pub(in crate::xrpc) mod get_session;
pub(in crate::xrpc) mod refresh_session;
mod session_output;
