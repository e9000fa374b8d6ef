//! `com.atproto.temp.checkSignupQueue`: whether the account has been admitted; here nobody waits.

use serde_json::json;

use crate::app::App;
use crate::server::auth::{LegacyScope, OAuth};
use crate::server::{Access, Auth, Method, XrpcResult, respond};

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.temp.checkSignupQueue",
    Auth::Access(Access::STANDARD.or(LegacyScope::SignupQueued).oauth(OAuth::Refused)),
    |_, _| Box::pin(std::future::ready(handle())),
);

fn handle() -> XrpcResult {
    respond::json(&json!({"activated": true}))
}
