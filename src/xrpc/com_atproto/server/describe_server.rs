//! `com.atproto.server.describeServer`: what a client has to know before it signs up or logs in.

use std::future::ready;

use serde::Serialize;

use crate::app::App;
use crate::server::{Auth, Method, XrpcResult, respond};

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.server.describeServer", Auth::None, |app, _| {
    Box::pin(ready(handle(&app)))
});

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    did: &'a str,
    available_user_domains: &'a [String],
    invite_code_required: bool,
    blob_upload_limit: u64,
    links: Links<'a>,
    contact: Contact<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Links<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy_policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terms_of_service: Option<&'a str>,
}

#[derive(Serialize)]
struct Contact<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

fn handle(app: &App) -> XrpcResult {
    let description = &app.description;
    respond::json(&Output {
        did: description.did.as_str(),
        available_user_domains: app.handle_domains(),
        invite_code_required: description.invite_code_required,
        blob_upload_limit: description.blob_upload_limit,
        links: Links {
            privacy_policy: description.privacy_policy.as_deref(),
            terms_of_service: description.terms_of_service.as_deref(),
        },
        contact: Contact {
            email: description.contact_email.as_deref(),
        },
    })
}
