//! `com.atproto.server.*`.

pub(in crate::xrpc) mod activate_account;
mod app_password_output;
pub(in crate::xrpc) mod check_account_status;
pub(in crate::xrpc) mod confirm_email;
pub(in crate::xrpc) mod create_account;
pub(in crate::xrpc) mod create_app_password;
pub(in crate::xrpc) mod create_invite_code;
pub(in crate::xrpc) mod create_invite_codes;
pub(in crate::xrpc) mod create_session;
pub(in crate::xrpc) mod deactivate_account;
pub(in crate::xrpc) mod delete_account;
pub(in crate::xrpc) mod delete_session;
pub(in crate::xrpc) mod describe_server;
pub(in crate::xrpc) mod get_account_invite_codes;
pub(in crate::xrpc) mod get_service_auth;
pub(in crate::xrpc) mod get_session;
pub(in crate::xrpc) mod list_app_passwords;
pub(in crate::xrpc) mod refresh_session;
pub(in crate::xrpc) mod request_account_delete;
pub(in crate::xrpc) mod request_email_confirmation;
pub(in crate::xrpc) mod request_email_update;
pub(in crate::xrpc) mod request_password_reset;
pub(in crate::xrpc) mod reserve_signing_key;
pub(in crate::xrpc) mod reset_password;
pub(in crate::xrpc) mod revoke_app_password;
mod session_output;
pub(in crate::xrpc) mod update_email;
