//! `com.atproto.temp.checkSignupQueue`: whether the account has been admitted; here nobody waits.

use serde_json::json;

use crate::app::App;
use crate::server::auth::OAuth;
use crate::server::{Access, Auth, Method, XrpcResult, respond};
use crate::session_scope::SessionScope;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.temp.checkSignupQueue",
    Auth::Access(Access::STANDARD.or(SessionScope::SignupQueued).oauth(OAuth::Refused)),
    |_, _| Box::pin(std::future::ready(handle())),
);

fn handle() -> XrpcResult {
    respond::json(&json!({"activated": true}))
}
