//! `com.atproto.identity.resolveIdentity`: DID, document and verified handle of an account anywhere.

use std::sync::Arc;

use atproto_data::AtIdentifier;

use super::identity_info::{Freshness, identity_info};
use crate::app::App;
use crate::server::{Access, Auth, Method, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.identity.resolveIdentity",
    // Each answer may cost requests to hosts that the caller chose: not for strangers.
    Auth::Access(Access::STANDARD),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::RESOLVE_IDENTITY);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let identifier: AtIdentifier = call.params.required("identifier")?;
    respond::json(&identity_info(&app, &identifier, Freshness::Kept).await?)
}
