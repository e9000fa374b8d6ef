//! `com.atproto.moderation.createReport`: a report, passed on to those who moderate.

use std::sync::Arc;

use atproto_data::Value;
use atproto_data::json::to_vec;

use crate::app::App;
use crate::server::{Accepts, Access, Auth, JSON_LIMIT, Method, XrpcResult};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;
use crate::xrpc::proxy::send_json;

const NSID: &str = "com.atproto.moderation.createReport";

pub(crate) const METHOD: Method<App> = Method::procedure(
    NSID,
    // Whoever is taken down may appeal.
    Auth::Access(Access::STANDARD.or(SessionScope::Takendown)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let body = to_vec(&Value::Map(call.input.as_map().clone()));
    call.input.required_str("reasonType")?;
    call.input.optional_str("reason")?;
    call.input.take_required_object("subject")?.required_type()?;
    call.input.take_optional_object("modTool")?;
    let did = &call.caller.access()?.account.did;
    let service = app.appview.service(did, call.headers(), NSID).await?;
    let response = send_json(&app, call.headers(), NSID, &service, did, body).await?;
    app.appview.pass_on(response)
}
