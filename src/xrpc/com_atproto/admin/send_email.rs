//! `com.atproto.admin.sendEmail`: a moderator's letter to the owner of an account.

use std::sync::Arc;

use atproto_data::Did;
use serde_json::json;

use crate::app::App;
use crate::mail::{Letter, MailKind};
use crate::server::{Accepts, Auth, JSON_LIMIT, Method, XrpcError, XrpcResult, respond};
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::procedure(
    "com.atproto.admin.sendEmail",
    Auth::Moderator,
    Accepts::Json(JSON_LIMIT),
    |app, call| Box::pin(handle(app, call)),
);

/// The subject of a letter that names none.
const SUBJECT: &str = "Message via your PDS";

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let recipient: Did = call.input.required("recipientDid")?;
    let content = call.input.required_str("content")?;
    let subject = call.input.optional_str("subject")?.unwrap_or(SUBJECT);
    let _: Did = call.input.required("senderDid")?;
    call.input.optional_str("comment")?;
    let account = app.accounts.find_did(&recipient).await;
    let account = account.map_err(|error| XrpcError::internal(&error))?;
    let account = account.ok_or_else(|| XrpcError::invalid_request("Recipient not found"))?;
    // What is written is shown as it was written; nothing in it is markup.
    let letter = Letter::from_moderator(&account.email, subject, content, app.mail.branding());
    let sent = app.mail.send(MailKind::Moderation, &letter).await;
    let sent = sent.map_err(|error| XrpcError::internal(&error))?;
    respond::json(&json!({"sent": sent}))
}
