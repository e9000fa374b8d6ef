//! Sessions and their accounts in answers.

use serde::Serialize;

use crate::account::{Account, Session};

/// An account as its owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountOutput {
    did: String,
    handle: String,
    email: String,
    email_confirmed: bool,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// A session with its tokens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionOutput {
    access_jwt: String,
    refresh_jwt: String,
    #[serde(flatten)]
    account: AccountOutput,
}

impl From<&Account> for AccountOutput {
    fn from(account: &Account) -> Self {
        AccountOutput {
            did: account.did.to_string(),
            handle: account.handle.to_string(),
            email: account.email.clone(),
            email_confirmed: account.email_confirmed,
            active: account.status.is_active(),
            status: account.status.word(),
        }
    }
}

impl From<Session> for SessionOutput {
    fn from(session: Session) -> Self {
        let account = AccountOutput::from(&session.account);
        SessionOutput {
            access_jwt: session.access_jwt,
            refresh_jwt: session.refresh_jwt,
            account,
        }
    }
}
