//! `com.atproto.sync.listRepos`: all repos of this server with head, rev and status.

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;
use crate::server::{Auth, Method, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.listRepos", Auth::None, |app, call| {
    Box::pin(handle(app, call))
});

const DEFAULT_LIMIT: u16 = 500;
const MAX_LIMIT: u16 = 1_000;

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    repos: Vec<RepoOutput>,
}

#[derive(Serialize)]
struct RepoOutput {
    did: String,
    head: String,
    rev: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let limit = call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: i64 = call.params.cursor()?.unwrap_or(0);
    let repos = app.repos.list(after, limit.into()).await.map_err(read_error)?;
    let output = Output {
        cursor: repos.last().map(|repo| repo.account_id.to_string()),
        repos: repos
            .into_iter()
            .map(|repo| RepoOutput {
                did: repo.did,
                head: repo.head.to_string(),
                rev: repo.rev.to_string(),
                active: repo.status.word().is_none(),
                status: repo.status.word(),
            })
            .collect(),
    };
    respond::json(&output)
}
