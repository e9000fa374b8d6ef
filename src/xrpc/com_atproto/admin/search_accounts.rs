//! `com.atproto.admin.searchAccounts`: accounts by their e-mail address, page by page.

use std::sync::Arc;

use serde::Serialize;

use super::account_view::AccountView;
use crate::account::AccountSearch;
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.admin.searchAccounts", Auth::Moderator, |app, call| {
        Box::pin(handle(app, call))
    });

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 100;
/// The longest text that is searched for, in bytes: no address is longer.
const MAX_EMAIL: usize = 254;

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    accounts: Vec<AccountView>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let email = call.params.optional_str("email")?;
    if email.is_some_and(|email| email.len() > MAX_EMAIL) {
        return Err(XrpcError::invalid_request("The email is too long to be one"));
    }
    let search = AccountSearch {
        email: email.map(str::to_owned),
        after: call.params.cursor()?.unwrap_or(0),
        limit: call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?,
    };
    let found = app.accounts.search(&search).await;
    let found = found.map_err(|error| XrpcError::internal(&error))?;
    let is_full = found.len() == usize::from(search.limit);
    let cursor = found
        .last()
        .filter(|_| is_full)
        .map(|last| last.account.account_id.to_string());
    respond::json(&Output {
        cursor,
        accounts: found.into_iter().map(AccountView::from).collect(),
    })
}
