//! `com.atproto.admin.disableInviteCodes`: some codes, and all codes of some accounts, are good for nothing any more.

use std::sync::Arc;

use crate::account::ADMIN;
use crate::app::App;
use crate::server::{Accepts, Auth, Input, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.disableInviteCodes",
    Auth::Moderator,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

/// The most codes and accounts in one call.
const MAX_NAMES: usize = 10_000;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let codes = names(&call.input, "codes")?;
    let accounts = names(&call.input, "accounts")?;
    if accounts.iter().any(|account| account == ADMIN) {
        return Err(XrpcError::invalid_request("cannot disable admin invite codes"));
    }
    let done = app.accounts.disable_invites(codes, accounts).await;
    done.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}

fn names(input: &Input, field: &str) -> Result<Vec<String>, XrpcError> {
    let names = input.optional_strs(field)?.unwrap_or_default();
    if names.len() > MAX_NAMES {
        return Err(XrpcError::invalid_request(format!(
            "at most {MAX_NAMES} {field} are taken at a time"
        )));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}
