//! Methods that are not ours: passed on to the service that answers them.

use std::sync::Arc;

use atproto_data::{Did, Nsid};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method as Verb, StatusCode};

use crate::account::Access as CallerAccess;
use crate::app::App;
use crate::appview::{Encoding, Outgoing, Reply, Service, passed_on};
use crate::identity::service_auth::{is_privileged, is_protected};
use crate::identity::{ServiceToken, SigningKeyError};
use crate::server::{XrpcError, XrpcResult};
use crate::session_scope::SessionScope;
use crate::xrpc::Caller;

/// Passes a call on, body and answer streamed.
pub(crate) async fn pass_on(
    app: Arc<App>,
    nsid: Nsid,
    caller: Result<Caller, XrpcError>,
    request: Request,
) -> XrpcResult {
    let (parts, body) = request.into_parts();
    if is_protected(nsid.as_str()) {
        return Err(bad_method());
    }
    let caller = caller?;
    let access = caller.access()?;
    let did = &access.account.did;
    let service = app.appview.service(did, &parts.headers, nsid.as_str()).await?;
    check_privilege(access, &nsid)?;
    let mut call = outgoing(&parts, &nsid, Encoding::AsClient);
    let reply = if parts.method == Verb::POST {
        call.caller = Some(did);
        call.token = Some(token(&app, did, service.did.as_str(), &nsid).await?);
        app.appview
            .call_with_body(&service, &call, &parts.headers, body)
            .await?
    } else {
        call_as(&app, did, &service, call).await?
    };
    app.appview.pass_on(reply)
}

/// Passes a query of ours on whose answer may have to be read, for an account with a token for this service (none for an anonymous call).
pub(super) async fn ask(
    app: &App,
    parts: &Parts,
    nsid: &Nsid,
    service: &Service,
    account: Option<(&Did, Arc<str>)>,
) -> Result<Reply, XrpcError> {
    let mut call = outgoing(parts, nsid, app.appview.encoding());
    (call.caller, call.token) = account.unzip();
    app.appview.call(service, &call).await
}

/// Passes a query of ours on to the service that it is for, in the account's name.
pub(super) async fn ask_as(app: &App, parts: &Parts, nsid: &Nsid, did: &Did) -> Result<Reply, XrpcError> {
    let service = app.appview.service(did, &parts.headers, nsid.as_str()).await?;
    call_as(app, did, &service, outgoing(parts, nsid, app.appview.encoding())).await
}

/// Sends a query in an account's name. The AppView of the settings may get a token again that it has seen a moment ago; should it take
/// each only once, it gets fresh ones from then on. Other services always do.
async fn call_as<'a>(app: &App, did: &'a Did, service: &Service, mut call: Outgoing<'a>) -> Result<Reply, XrpcError> {
    call.caller = Some(did);
    if !app.appview.is_own(service) {
        call.token = Some(token(app, did, service.did.as_str(), call.nsid).await?);
        return app.appview.call(service, &call).await;
    }
    let repeatable = app.service_signer.repeatable_token(did, &service.did, call.nsid).await;
    let repeated = match had(repeatable)? {
        ServiceToken::Fresh(token) => {
            call.token = Some(token);
            return app.appview.call(service, &call).await;
        }
        ServiceToken::Repeated(token) => token,
    };
    call.token = Some(repeated);
    match app.appview.call(service, &call).await {
        Err(error) if error.status == StatusCode::UNAUTHORIZED => {
            call.token = Some(token(app, did, service.did.as_str(), call.nsid).await?);
            let reply = app.appview.call(service, &call).await?;
            app.service_signer.repeat_no_token();
            Ok(reply)
        }
        outcome => outcome,
    }
}

/// A client's call as it goes on, in nobody's name so far.
fn outgoing<'a>(parts: &'a Parts, nsid: &'a Nsid, encoding: Encoding) -> Outgoing<'a> {
    Outgoing {
        verb: parts.method.clone(),
        nsid,
        query: parts.uri.query(),
        headers: passed_on(&parts.headers, encoding),
        token: None,
        caller: None,
    }
}

/// Passes a query on in nobody's name.
pub(super) async fn ask_anonymously(app: &App, parts: &Parts, nsid: &Nsid, service: &Service) -> XrpcResult {
    let reply = ask(app, parts, nsid, service, None).await?;
    app.appview.pass_on(reply)
}

/// Sends JSON to a service in the account's name.
pub(super) async fn send_json(
    app: &App,
    client: &HeaderMap,
    nsid: &str,
    service: &Service,
    did: &Did,
    json: Vec<u8>,
) -> Result<Reply, XrpcError> {
    let nsid = method(nsid)?;
    let call = Outgoing {
        verb: Verb::POST,
        nsid: &nsid,
        query: None,
        headers: passed_on(client, app.appview.encoding()),
        token: Some(token(app, did, service.did.as_str(), &nsid).await?),
        caller: Some(did),
    };
    app.appview.call_with_json(service, &call, json).await
}

/// Whether a call of a method that we answer ourselves is for another service than the AppView of the settings.
pub(super) fn is_for_others(app: &App, headers: &HeaderMap, nsid: &str) -> Result<bool, XrpcError> {
    let named = headers.get("atproto-proxy").is_some_and(|value| !value.is_empty());
    Ok(named && !app.appview.is_appview(&app.appview.proxy_to(headers, nsid)?))
}

/// The name of a method of ours.
pub(super) fn method(nsid: &str) -> Result<Nsid, XrpcError> {
    nsid.parse().map_err(|_| XrpcError::internal_silent())
}

/// A fresh token with which an account calls a service.
pub(super) async fn token(app: &App, did: &Did, aud: &str, lxm: &Nsid) -> Result<Arc<str>, XrpcError> {
    had(app.service_signer.token(did, aud, Some(lxm), None).await).map(Arc::from)
}

fn had<T>(token: Result<Option<T>, SigningKeyError>) -> Result<T, XrpcError> {
    let token = token.map_err(|error| XrpcError::internal(&error))?;
    token.ok_or_else(|| XrpcError::invalid_request("The account has no signing key"))
}

/// Direct messages are closed to app passwords without that privilege.
fn check_privilege(access: &CallerAccess, nsid: &Nsid) -> Result<(), XrpcError> {
    if access.scope == SessionScope::AppPass && is_privileged(nsid.as_str()) {
        return Err(bad_method());
    }
    Ok(())
}

fn bad_method() -> XrpcError {
    XrpcError::invalid_token("Bad token method")
}
