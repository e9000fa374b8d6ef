//! Accounts as `com.atproto.admin.defs#accountView` shows them.

use serde::Serialize;

use crate::account::ModeratedAccount;
use crate::clock::rfc3339_millis;
use crate::xrpc::invite_view::InviteView;

/// An account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountView {
    did: String,
    handle: String,
    email: String,
    indexed_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_confirmed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_by: Option<InviteView>,
    invites: Vec<InviteView>,
    invites_disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated_at: Option<String>,
}

impl From<ModeratedAccount> for AccountView {
    fn from(moderated: ModeratedAccount) -> Self {
        let account = moderated.account;
        AccountView {
            did: account.did.to_string(),
            handle: account.handle.to_string(),
            email: account.email,
            indexed_at: rfc3339_millis(moderated.created_at),
            email_confirmed_at: moderated.email_confirmed_at.map(rfc3339_millis),
            invited_by: moderated.invited_by.map(InviteView::from),
            invites: moderated.invites.into_iter().map(InviteView::from).collect(),
            invites_disabled: moderated.invites_disabled,
            deactivated_at: moderated.deactivated_at.map(rfc3339_millis),
        }
    }
}
