//! `com.atproto.admin.*`: what administrators and moderators do.

mod account_view;
pub(in crate::xrpc) mod delete_account;
pub(in crate::xrpc) mod disable_account_invites;
pub(in crate::xrpc) mod disable_invite_codes;
pub(in crate::xrpc) mod enable_account_invites;
pub(in crate::xrpc) mod get_account_info;
pub(in crate::xrpc) mod get_account_infos;
pub(in crate::xrpc) mod get_invite_codes;
pub(in crate::xrpc) mod get_subject_status;
pub(in crate::xrpc) mod search_accounts;
pub(in crate::xrpc) mod send_email;
mod subject;
pub(in crate::xrpc) mod update_account_email;
pub(in crate::xrpc) mod update_account_handle;
pub(in crate::xrpc) mod update_account_password;
pub(in crate::xrpc) mod update_account_signing_key;
pub(in crate::xrpc) mod update_subject_status;
