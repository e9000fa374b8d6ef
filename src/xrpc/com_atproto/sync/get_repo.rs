//! `com.atproto.sync.getRepo`: a repo as a CAR, or what is newer than a rev.

use std::sync::Arc;

use atproto_data::{Did, Tid};
use axum::body::Body;
use axum::http::{HeaderValue, header};

use super::readable_repo::{READ_AUTH, read_repo};
use crate::app::App;
use crate::server::{Method, XrpcResult, respond};
use crate::xrpc::{Call, Caller, limits};

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getRepo", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
})
.limited_apart(limits::GET_REPO);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let since: Option<Tid> = call.params.optional("since")?;
    export(&app, &call.caller, &did, since).await
}

/// Streams a repo, or what is newer than a rev, if the caller may read it.
pub(super) async fn export(app: &App, caller: &Caller, did: &Did, since: Option<Tid>) -> XrpcResult {
    let export = read_repo(app, caller, did, |repo_id| app.repos.export(repo_id, since)).await?;
    let length = HeaderValue::from(export.length());
    let mut response = respond::car(Body::from_stream(export));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    Ok(response)
}
