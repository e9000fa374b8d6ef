//! Sessions and their accounts in answers.

use serde::Serialize;
use serde_json::Value;

use crate::account::{Account, Session};

/// An account as its owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountOutput {
    did: String,
    handle: String,
    email: String,
    email_confirmed: bool,
    /// Left out where it is false, as the reference does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    email_auth_factor: bool,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_doc: Option<Value>,
}

impl AccountOutput {
    /// With the account's DID document, if there is one to show.
    pub(super) fn with_document(self, did_doc: Option<Value>) -> Self {
        Self { did_doc, ..self }
    }
}

impl SessionOutput {
    /// With the account's DID document, if there is one to show.
    pub(super) fn with_document(self, did_doc: Option<Value>) -> Self {
        let account = self.account.with_document(did_doc);
        Self { account, ..self }
    }
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
            email_auth_factor: account.email_factor,
            active: account.status.is_active(),
            status: account.status.word(),
            did_doc: None,
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
