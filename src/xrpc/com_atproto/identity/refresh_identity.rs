//! `com.atproto.identity.refreshIdentity`: as `resolveIdentity`, asked anew.

use std::sync::Arc;

use atproto_data::AtIdentifier;

use super::identity_info::{Freshness, identity_info};
use crate::app::App;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcResult, respond};
use crate::xrpc::{Call, limits};

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.identity.refreshIdentity",
    Auth::Access(Access::STANDARD),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
)
.limited(limits::REFRESH_IDENTITY);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let identifier: AtIdentifier = call.input.required("identifier")?;
    respond::json(&identity_info(&app, &identifier, Freshness::Now).await?)
}
