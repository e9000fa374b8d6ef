//! `com.atproto.moderation.createReport`: a report, passed on to those who moderate.

use std::sync::Arc;

use atproto_data::json::to_vec;
use atproto_data::{AtUri, Cid, Did, Value};
use atproto_lexicon::count_graphemes;

use crate::app::App;
use crate::server::{Accepts, Access, Auth, Input, JSON_LIMIT, Method, XrpcError, XrpcResult};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;
use crate::xrpc::proxy::send_json;

const NSID: &str = "com.atproto.moderation.createReport";

/// The longest reason, in bytes and in graphemes, as the method's lexicon says.
const MAX_REASON_BYTES: usize = 20_000;
const MAX_REASON_GRAPHEMES: usize = 2_000;

pub(crate) const METHOD: Method<App> = Method::procedure(
    NSID,
    // Whoever is taken down may appeal.
    Auth::Access(Access::STANDARD.or(SessionScope::Takendown)),
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

async fn handle(app: Arc<App>, mut call: Call) -> XrpcResult {
    let body = to_vec(&Value::Map(call.input.as_map().clone()));
    check(&mut call.input)?;
    let did = &call.caller.access()?.account.did;
    let service = app.appview.service(did, call.headers(), NSID).await?;
    let response = send_json(&app, call.headers(), NSID, &service, did, body).await?;
    app.appview.pass_on(response)
}

/// Whether the input is what the method's lexicon asks for: the services that get it refuse others.
fn check(input: &mut Input) -> Result<(), XrpcError> {
    input.required_str("reasonType")?;
    if let Some(reason) = input.optional_str("reason")? {
        check_length(input, "string", reason.len(), MAX_REASON_BYTES)?;
        check_length(input, "grapheme", count_graphemes(reason), MAX_REASON_GRAPHEMES)?;
    }
    check_subject(&input.take_required_object("subject")?)?;
    if let Some(mut tool) = input.take_optional_object("modTool")? {
        tool.required_str("name")?;
        tool.take_optional_object("meta")?;
    }
    Ok(())
}

fn check_length(input: &Input, what: &str, length: usize, maximum: usize) -> Result<(), XrpcError> {
    if length <= maximum {
        return Ok(());
    }
    Err(input.refused(&format!("{what} too big (maximum {maximum}, got {length})"), "reason"))
}

/// The union of subjects is open: one of a type that we do not know is for the service to judge.
fn check_subject(subject: &Input) -> Result<(), XrpcError> {
    match subject.required_type()? {
        "com.atproto.admin.defs#repoRef" => {
            subject.required::<Did>("did")?;
        }
        "com.atproto.repo.strongRef" => {
            subject.required::<AtUri>("uri")?;
            subject.required::<Cid>("cid")?;
        }
        _ => {}
    }
    Ok(())
}
