//! Accounts as `com.atproto.admin.defs#accountView` shows them.

use serde::Serialize;

use crate::account::{InviteCode, ModeratedAccount};
use crate::clock::rfc3339_millis;

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

/// An invite code (`com.atproto.server.defs#inviteCode`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InviteView {
    code: String,
    available: i64,
    disabled: bool,
    for_account: String,
    created_by: String,
    created_at: String,
    uses: Vec<UseView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UseView {
    used_by: String,
    used_at: String,
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

impl From<InviteCode> for InviteView {
    fn from(code: InviteCode) -> Self {
        let uses = code.uses.into_iter().map(|(used_by, used_at)| UseView {
            used_by,
            used_at: rfc3339_millis(used_at),
        });
        InviteView {
            code: code.code,
            available: code.available_uses,
            disabled: code.disabled,
            for_account: code.for_account,
            created_by: code.created_by,
            created_at: rfc3339_millis(code.created_at),
            uses: uses.collect(),
        }
    }
}
