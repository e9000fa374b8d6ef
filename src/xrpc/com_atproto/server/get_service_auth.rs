//! `com.atproto.server.getServiceAuth`: a token with which the caller's account can call a service itself.

use std::sync::Arc;

use atproto_data::{Did, Nsid};
use serde_json::json;

use crate::account::Access as CallerAccess;
use crate::app::App;
use crate::identity::is_of_protocol;
use crate::identity::service_auth::{is_privileged, is_protected};
use crate::server::{Access, Auth, Method, XrpcError, XrpcResult, respond};
use crate::session_scope::SessionScope;
use crate::xrpc::Call;

pub(crate) const METHOD: Method<App> = Method::query(
    "com.atproto.server.getServiceAuth",
    Auth::Access(Access::STANDARD.or(SessionScope::Takendown)),
    |app, call| Box::pin(handle(app, call)),
);

/// What a taken down account still needs, to leave.
const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";
/// How far ahead a token may expire, in seconds: one that names a method, and one that is good for all.
const MAX_WITH_METHOD: i64 = 60 * 60;
const MAX_WITHOUT_METHOD: i64 = 60;
/// The longest name of a service after `#`, in bytes.
const MAX_SERVICE_NAME: usize = 256;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let caller = call.caller.access()?;
    let aud = call.params.required_str("aud")?;
    let expires = call.params.optional_integer("exp", i64::MIN..=i64::MAX)?;
    // As the reference: 0 is none.
    let expires = expires.filter(|expires| *expires != 0);
    let lxm: Option<Nsid> = call.params.optional("lxm")?;
    if !is_service(aud) {
        return Err(XrpcError::invalid_request(
            "aud must be a valid atproto DID or did#serviceId reference",
        ));
    }
    let method = lxm.as_ref().map(Nsid::as_str);
    check_scope(caller, method)?;
    if let Some(expires) = expires {
        check_expiration(expires, method, app.now_seconds())?;
    }
    if let Some(method) = method.filter(|method| is_protected(method)) {
        let message = format!("cannot request a service auth token for the following protected method: {method}");
        return Err(XrpcError::invalid_request(message));
    }
    let token = app
        .service_signer
        .token(&caller.account.did, aud, lxm.as_ref(), expires)
        .await;
    match token.map_err(|error| XrpcError::internal(&error))? {
        Some(token) => respond::json(&json!({"token": token})),
        None => Err(XrpcError::invalid_request("The account has no signing key")),
    }
}

/// Whether a service can be called by this name: a DID of the protocol's two methods, perhaps with `#name`.
fn is_service(aud: &str) -> bool {
    let (did, name) = aud.split_once('#').map_or((aud, None), |(did, name)| (did, Some(name)));
    let is_name = |name: &str| {
        (1..=MAX_SERVICE_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    let is_did = did.parse::<Did>().is_ok_and(|did| is_of_protocol(&did));
    is_did && name.is_none_or(is_name)
}

fn check_scope(caller: &CallerAccess, method: Option<&str>) -> Result<(), XrpcError> {
    match (caller.scope, method) {
        (SessionScope::Takendown, Some(CREATE_ACCOUNT)) => Ok(()),
        (SessionScope::Takendown, _) => Err(XrpcError::invalid_token("Bad token scope")),
        (SessionScope::AppPass, Some(method)) if is_privileged(method) => Err(XrpcError::invalid_request(format!(
            "insufficient access to request a service auth token for the following method: {method}"
        ))),
        _ => Ok(()),
    }
}

fn check_expiration(expires: i64, method: Option<&str>, now: i64) -> Result<(), XrpcError> {
    let ahead = expires.saturating_sub(now);
    let message = match method {
        _ if ahead < 0 => "expiration is in past",
        _ if ahead > MAX_WITH_METHOD => "cannot request a token with an expiration more than an hour in the future",
        None if ahead > MAX_WITHOUT_METHOD => {
            "cannot request a method-less token with an expiration more than a minute in the future"
        }
        _ => return Ok(()),
    };
    Err(XrpcError::bad_request("BadExpiration", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_by_their_dids() {
        for (aud, expected) in [
            ("did:web:api.example.com", true),
            ("did:web:localhost%3A2584", true),
            ("did:plc:ewvi7nxzyoun6zhxrhs64oiz#bsky_appview", true),
            ("did:plc:ewvi7nxzyoun6zhxrhs64oi", false),
            ("did:web:api.example.com:path", false),
            ("notadid", false),
            ("", false),
            ("did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme", false),
            ("did:web:api.example.com#", false),
            ("did:web:api.example.com#a#b", false),
            ("did:web:api.example.com#a b", false),
            ("https://api.example.com", false),
        ] {
            assert_eq!(is_service(aud), expected, "{aud}");
        }
    }

    #[test]
    fn tokens_do_not_live_long() {
        let check = |ahead: i64, method| check_expiration(1_000_000 + ahead, method, 1_000_000).is_ok();
        let method = Some("app.bsky.feed.getTimeline");
        assert!(check(0, None) && check(60, None) && !check(61, None) && !check(-1, None));
        assert!(check(3_600, method) && !check(3_601, method) && !check(-1, method));
        assert!(check_expiration(i64::MIN, method, 1).is_err() && check_expiration(i64::MAX, None, 1).is_err());
    }
}
