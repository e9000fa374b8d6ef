//! `app.bsky.notification.registerPush`: registers a device for push notifications.

use std::sync::Arc;

use super::push_service::forward;
use crate::app::App;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcResult};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;

const NSID: &str = "app.bsky.notification.registerPush";

pub(crate) const METHOD: Method<App> = Method::procedure(
    NSID,
    Auth::Access(Access::STANDARD.or(SessionScope::SignupQueued)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    forward(&app, call, NSID).await
}
