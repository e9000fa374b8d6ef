//! `com.atproto.server.createInviteCodes`: several invite codes for several accounts, by the admin.

use std::sync::Arc;

use atproto_data::Did;
use serde::Serialize;

use super::create_invite_code::MAX_USES;
use crate::account::ADMIN;
use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.server.createInviteCodes",
    Auth::Admin,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

/// The most codes in one call, over all accounts.
const MAX_CODES: usize = 10_000;

#[derive(Serialize)]
struct Output {
    codes: Vec<AccountCodes>,
}

#[derive(Serialize)]
struct AccountCodes {
    account: String,
    codes: Vec<String>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let count = call.input.optional_integer("codeCount", 0..=i64::MAX)?.unwrap_or(1);
    let uses = call.input.required_integer("useCount", 0..=MAX_USES)?;
    let owners: Option<Vec<Did>> = call.input.optional_all("forAccounts")?;
    let owners = owners.map_or_else(
        || vec![ADMIN.to_owned()],
        |owners| owners.into_iter().map(String::from).collect::<Vec<_>>(),
    );
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count.saturating_mul(owners.len()) > MAX_CODES {
        return Err(XrpcError::invalid_request(format!(
            "Too many codes: at most {MAX_CODES} are made at a time"
        )));
    }
    let invites = app.accounts.create_invites(owners, count, uses).await;
    let invites = invites.map_err(|error| XrpcError::internal(&error))?;
    let codes = invites
        .into_iter()
        .map(|(account, codes)| AccountCodes { account, codes })
        .collect();
    respond::json(&Output { codes })
}
