//! Passing push registrations on to the service that sends the notifications.

use atproto_data::json::to_vec;
use atproto_data::{Did, Value};

use crate::app::App;
use crate::appview::NotFound;
use crate::server::{XrpcError, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::proxy::send_json;

/// The name of the service in its DID document.
const PUSH_SERVICE: &str = "bsky_notif";

/// Sends the call's input to the service that it names: the AppView where the settings say, others where their DID document says.
pub(super) async fn forward(app: &App, call: Call, nsid: &str) -> XrpcResult {
    let account = &call.caller.access()?.account;
    let did: Did = call.input.required("serviceDid")?;
    call.input.required_str("token")?;
    call.input.required_str("platform")?;
    call.input.required_str("appId")?;
    call.input.optional_flag("ageRestricted")?;
    let service = match app.appview.appview() {
        Some(appview) if appview.did == did => app.appview.configured(appview)?,
        _ => {
            let found = app.appview.find(&account.did, did.as_str(), PUSH_SERVICE).await;
            found.map_err(|error| refusal(error, &did))?
        }
    };
    let body = to_vec(&Value::Map(call.input.as_map().clone()));
    send_json(app, call.headers(), nsid, &service, &account.did, body).await?;
    Ok(respond::empty())
}

fn refusal(error: NotFound, did: &Did) -> XrpcError {
    let problem = match error {
        NotFound::Did => "could not resolve did document",
        NotFound::Service => "invalid notification service details in did document",
        NotFound::Document | NotFound::Itself | NotFound::TooMany(_) => return error.into(),
    };
    XrpcError::invalid_request(format!("{problem}: {did}"))
}
