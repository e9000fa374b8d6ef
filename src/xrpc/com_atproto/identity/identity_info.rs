//! Identities resolved whole: DID, document and the handle that both agree on
//! ([identity resolution](https://atproto.com/specs/handle#handle-resolution)).

use std::sync::Arc;

use atproto_data::{AtIdentifier, Did, Handle};
use serde_json::{Value, json};

use crate::app::App;
use crate::identity::{PlcDirectory as _, ResolveError, ResolvedDid};
use crate::server::XrpcError;

/// What stands for a handle that does not point to its DID.
const INVALID_HANDLE: &str = "handle.invalid";

/// How new an answer has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// What is kept will do.
    Kept,
    /// As it is now, or was a moment ago.
    Now,
}

/// The DID that a handle points to: here first, then, unless it is under one of our domains, on the network.
pub(super) async fn did_of_handle(app: &App, handle: &Handle, freshness: Freshness) -> Result<Option<Did>, XrpcError> {
    let account = app.accounts.find_handle(handle).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    if let Some(account) = account.filter(|account| account.status.is_active()) {
        return Ok(Some(account.did));
    }
    if app.accounts.handle_rules().is_service_handle(handle) {
        return Ok(None);
    }
    Ok(match freshness {
        Freshness::Kept => app.handles.resolve(handle).await,
        Freshness::Now => app.handles.refresh(handle).await,
    })
}

/// The document of a DID.
pub(super) async fn document(app: &App, did: &Did, freshness: Freshness) -> Result<Arc<ResolvedDid>, XrpcError> {
    let outcome = match freshness {
        Freshness::Kept => app.dids.resolve(did).await,
        Freshness::Now => app.dids.refresh_at_times(did).await,
    };
    match outcome {
        Ok(Some(resolved)) => Ok(resolved),
        Ok(None) if is_tombstoned(app, did).await => {
            Err(XrpcError::bad_request("DidDeactivated", "the DID is tombstoned"))
        }
        Ok(None) => Err(XrpcError::bad_request("DidNotFound", "there is no such DID")),
        Err(error @ ResolveError::Unsupported(_)) => Err(XrpcError::bad_request("DidNotFound", error.to_string())),
        Err(error @ ResolveError::Failed(_)) => Err(XrpcError::upstream_failure(error.to_string())),
    }
}

/// Whether a DID that has no document had one once.
async fn is_tombstoned(app: &App, did: &Did) -> bool {
    if did.method() != "plc" {
        return false;
    }
    let last = app.plc().last_operation(did).await;
    last.is_ok_and(|last| last.is_some_and(|last| last.is_tombstone()))
}

/// `com.atproto.identity.defs#identityInfo` of a DID or handle. A handle that the DID claims but that does not point to it is
/// `handle.invalid`.
pub(super) async fn identity_info(
    app: &App,
    identifier: &AtIdentifier,
    freshness: Freshness,
) -> Result<Value, XrpcError> {
    let did = match identifier {
        AtIdentifier::Did(did) => did.clone(),
        AtIdentifier::Handle(handle) => did_of_handle(app, handle, freshness)
            .await?
            .ok_or_else(|| XrpcError::bad_request("HandleNotFound", "Unable to resolve handle"))?,
    };
    let resolved = document(app, &did, freshness).await?;
    let handle = match resolved.document.handle() {
        Some(handle) if did_of_handle(app, &handle, freshness).await?.as_ref() == Some(&did) => handle.to_string(),
        _ => INVALID_HANDLE.to_owned(),
    };
    Ok(json!({"did": did.as_str(), "handle": handle, "didDoc": resolved.json}))
}
