//! `com.atproto.admin.getInviteCodes`: all invite codes, the newest or the most used first.

use std::sync::Arc;

use serde::Serialize;

use crate::account::{InviteCode, InviteOrder};
use crate::app::App;
use crate::server::{Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::invite_view::InviteView;

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.admin.getInviteCodes", Auth::Moderator, |app, call| {
        Box::pin(handle(app, call))
    });

/// Codes per page.
const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 500;

/// What is between the two parts of a cursor.
const SEPARATOR: &str = "::";

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    codes: Vec<InviteView>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let limit = call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let after = call.params.optional_str("cursor")?.map(parse_cursor).transpose()?;
    let (order, key): (_, fn(&InviteCode) -> String) = match call.params.optional_str("sort")? {
        None | Some("recent") => (InviteOrder::Recent(after), |code| code.created_at.to_string()),
        Some("usage") => (InviteOrder::Usage(after), |code| code.uses.len().to_string()),
        Some(other) => return Err(XrpcError::invalid_request(format!("unknown sort method: {other}"))),
    };
    let codes = app.accounts.invite_codes(order, limit).await;
    let codes = codes.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&Output {
        cursor: codes
            .last()
            .map(|last| format!("{}{SEPARATOR}{}", key(last), last.code)),
        codes: codes.into_iter().map(InviteView::from).collect(),
    })
}

fn parse_cursor(cursor: &str) -> Result<(i64, String), XrpcError> {
    let parts = cursor.split_once(SEPARATOR);
    let parsed = parts.and_then(|(value, code)| Some((value.parse().ok()?, code.to_owned())));
    parsed.ok_or_else(|| XrpcError::invalid_request("Malformed cursor"))
}
