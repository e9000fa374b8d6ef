//! `com.atproto.server.getAccountInviteCodes`: the caller's invite codes, after it got those it has earned.

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;
use crate::server::auth::Status;
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::invite_view::InviteView;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.server.getAccountInviteCodes",
    Auth::Access(Access::FULL.status(Status::NotTakendown)),
    |app, call| Box::pin(handle(app, call)),
);

#[derive(Serialize)]
struct Output {
    codes: Vec<InviteView>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let include_used = call.params.optional_flag("includeUsed")?.unwrap_or(true);
    if call.params.optional_flag("createAvailable")?.unwrap_or(true) {
        let minted = app.accounts.mint_earned_invites(account).await;
        minted.map_err(|error| XrpcError::internal(&error))?;
    }
    let codes = app.accounts.invites_of(account).await;
    let codes = codes.map_err(|error| XrpcError::internal(&error))?;
    let shown = codes
        .into_iter()
        .filter(|code| !code.disabled && (include_used || code.has_uses_left()));
    respond::json(&Output {
        codes: shown.map(InviteView::from).collect(),
    })
}
