//! `com.atproto.server.getSession`: the account of the caller's session.

use std::future::ready;

use super::session_output::AccountOutput;
use crate::app::App;
use crate::server::auth::LegacyScope;
use crate::server::{Access, Auth, Method, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.server.getSession",
    Auth::Access(Access::STANDARD.or(LegacyScope::SignupQueued)),
    |_, call| Box::pin(ready(handle(&call))),
);

fn handle(call: &Call) -> XrpcResult {
    respond::json(&AccountOutput::from(&call.caller.access()?.account))
}
