//! `com.atproto.repo.deleteRecord`: no record at a given place of the caller's repo.

use std::sync::Arc;

use serde::Serialize;

use super::write_input::{CommitOutput, WRITE_AUTH, WRITE_LIMIT, own_repo, swap_commit};
use crate::app::App;
use crate::repo::{RecordSwap, RecordWrite, WriteAction};
use crate::server::{Accepts, Method, XrpcResult, respond};
use crate::xrpc::repo_error::own_repo_error;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.repo.deleteRecord",
    WRITE_AUTH,
    Accepts::Json(WRITE_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::DELETE_RECORD);

#[derive(Serialize)]
struct Output {
    /// Absent where there was no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitOutput>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let repo = own_repo(&app, &call.caller, &call.input).await?;
    let write = RecordWrite {
        collection: call.input.required("collection")?,
        rkey: call.input.required("rkey")?,
        action: WriteAction::DeleteIfPresent {
            swap: call
                .input
                .optional("swapRecord")?
                .map_or(RecordSwap::Any, RecordSwap::At),
        },
    };
    let swap = swap_commit(&call.input)?;
    let written = app.repos.write(repo, vec![write], swap).await.map_err(own_repo_error)?;
    respond::json(&Output {
        commit: written.commit.map(CommitOutput::from),
    })
}
