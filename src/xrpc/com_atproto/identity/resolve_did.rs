//! `com.atproto.identity.resolveDid`: the document of a DID.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use super::identity_info::{Freshness, document};
use crate::app::App;
use crate::server::{Access, Auth, Method, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.identity.resolveDid",
    // Each answer may cost a request to a host that the caller chose: not for strangers.
    Auth::Access(Access::STANDARD),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::RESOLVE_IDENTITY);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let resolved = document(&app, &did, Freshness::Kept).await?;
    respond::json(&json!({"didDoc": resolved.json}))
}
