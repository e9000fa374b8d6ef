//! `com.atproto.admin.disableAccountInvites`: what an account earns in invite codes from now on is good for nothing.

use std::sync::Arc;

use atproto_data::Did;

use crate::app::App;
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.disableAccountInvites",
    Auth::Moderator,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account: Did = call.input.required("account")?;
    call.input.optional_str("note")?;
    let done = app.accounts.disable_account_invites(&account).await;
    done.map_err(|error| XrpcError::internal(&error))?;
    Ok(respond::empty())
}
