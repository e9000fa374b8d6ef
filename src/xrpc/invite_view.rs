//! Invite codes in answers.

use serde::Serialize;

use crate::account::InviteCode;
use crate::clock::rfc3339_millis;

/// An invite code (`com.atproto.server.defs#inviteCode`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::xrpc) struct InviteView {
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
