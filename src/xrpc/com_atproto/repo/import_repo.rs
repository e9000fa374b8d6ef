//! `com.atproto.repo.importRepo`: a CAR takes the place of the caller's repo.

use std::sync::Arc;

use atproto_data::{Did, PublicKey};

use crate::app::App;
use crate::repo::{ImportError, RepoRef};
use crate::server::auth::{OAuth, Status};
use crate::server::{Accepts, Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::repo_error::own_repo_error;
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.repo.importRepo",
    Auth::Access(
        Access::FULL
            .status(Status::NotTakendown)
            .oauth(OAuth::Scope("account:repo?action=manage")),
    ),
    Accepts::Media("application/vnd.ipld.car"),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::IMPORT_REPO);

/// The fragment of the key that signs commits (DID specification of the protocol).
const SIGNING_KEY: &str = "atproto";

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    if !app.imports.accepting {
        return Err(XrpcError::invalid_request("Service is not accepting repo imports"));
    }
    let limit = usize::try_from(app.imports.max_bytes).unwrap_or(usize::MAX);
    let mut chunks = call.take_chunks(limit)?;
    let account = &call.caller.access()?.account;
    let repo = RepoRef {
        account_id: account.account_id,
        repo_id: account.repo_id,
        did: account.did.clone(),
    };
    let mut import = app.repos.begin_import(repo).await.map_err(refusal)?;
    while let Some(chunk) = chunks.next().await? {
        import.receive(&chunk).await.map_err(refusal)?;
    }
    let key = published_key(&app, &account.did).await;
    import.finish(key).await.map_err(refusal)?;
    Ok(respond::empty())
}

/// The signing key that the account's DID document names, as far as it can be had.
async fn published_key(app: &App, did: &Did) -> Option<PublicKey> {
    let resolved = app.dids.resolve(did).await.ok().flatten()?;
    resolved.document.signing_key(SIGNING_KEY)
}

fn refusal(error: ImportError) -> XrpcError {
    match error {
        ImportError::Repo(error) => own_repo_error(error),
        ImportError::TooSlow => XrpcError::request_timeout(),
        ImportError::Busy => XrpcError::not_enough_resources(error.to_string()),
        _ => XrpcError::invalid_request(error.to_string()),
    }
}
