//! `com.atproto.sync.listReposByCollection`: the active repos of this server that have records of a collection.

use std::sync::Arc;

use atproto_data::Nsid;
use serde::Serialize;

use crate::app::App;
use crate::server::{Auth, Method, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> =
    Method::query("com.atproto.sync.listReposByCollection", Auth::None, |app, call| {
        Box::pin(handle(app, call))
    });

const DEFAULT_LIMIT: u16 = 500;
const MAX_LIMIT: u16 = 2_000;

#[derive(Serialize)]
struct Output {
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    repos: Vec<RepoOutput>,
}

#[derive(Serialize)]
struct RepoOutput {
    did: String,
}

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let collection: Nsid = call.params.required("collection")?;
    let limit = call.params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: i64 = call.params.cursor()?.unwrap_or(0);
    let repos = app
        .repos
        .list_by_collection(&collection, after, limit.into())
        .await
        .map_err(read_error)?;
    let full_page = repos.len() == usize::from(limit);
    let output = Output {
        cursor: repos.last().filter(|_| full_page).map(|repo| repo.repo_id.to_string()),
        repos: repos.into_iter().map(|repo| RepoOutput { did: repo.did }).collect(),
    };
    respond::json(&output)
}
