//! Tokens by which this server speaks to services for its accounts
//! ([inter-service authentication](https://atproto.com/specs/xrpc#inter-service-authentication-jwt)), and the methods that have
//! none.

use atproto_data::syntax::Nsid;
use atproto_data::{Did, SigningKey, jws};
use serde_json::json;

/// Methods that only this server may answer for its accounts: never proxied, and no service token names them.
const PROTECTED_METHODS: &[&str] = &[
    "com.atproto.admin.sendEmail",
    "com.atproto.identity.requestPlcOperationSignature",
    "com.atproto.identity.signPlcOperation",
    "com.atproto.identity.updateHandle",
    "com.atproto.server.activateAccount",
    "com.atproto.server.confirmEmail",
    "com.atproto.server.createAppPassword",
    "com.atproto.server.deactivateAccount",
    "com.atproto.server.getAccountInviteCodes",
    "com.atproto.server.getSession",
    "com.atproto.server.listAppPasswords",
    "com.atproto.server.requestAccountDelete",
    "com.atproto.server.requestEmailConfirmation",
    "com.atproto.server.requestEmailUpdate",
    "com.atproto.server.revokeAppPassword",
    "com.atproto.server.updateEmail",
];

/// Methods for which an app password must be a privileged one, beside all of `chat.bsky.*`.
const PRIVILEGED_METHODS: &[&str] = &["com.atproto.server.createAccount"];
/// Direct messages: services have added methods faster than lists of them were kept.
const PRIVILEGED_NAMESPACE: &str = "chat.bsky.";

/// The signed token with which the account `iss` calls `lxm` at the service `aud` (a DID, perhaps with `#service`): an ES256K JWT,
/// valid from `iat` to `exp`, both in seconds since 1970. `jti` makes it unique.
pub fn service_token(
    key: &SigningKey,
    iss: &Did,
    aud: &str,
    lxm: Option<&Nsid>,
    exp: i64,
    iat: i64,
    jti: [u8; 16],
) -> String {
    let jti = format!("{:032x}", u128::from_be_bytes(jti));
    let mut claims = json!({"iat": iat, "iss": iss.as_str(), "aud": aud, "exp": exp, "jti": jti});
    if let Some(lxm) = lxm {
        claims["lxm"] = lxm.as_str().into();
    }
    jws::sign(key, &json!({"typ": "JWT"}), &claims)
}

/// Whether a method is one that only this server may answer for its accounts. Case does not matter, so that a service that ignores it
/// cannot be reached by another spelling.
pub fn is_protected(nsid: &str) -> bool {
    PROTECTED_METHODS.iter().any(|method| method.eq_ignore_ascii_case(nsid))
}

/// Whether a method is closed to sessions of app passwords that are not privileged. Case does not matter.
pub fn is_privileged(nsid: &str) -> bool {
    let namespace = nsid.get(..PRIVILEGED_NAMESPACE.len());
    namespace.is_some_and(|namespace| namespace.eq_ignore_ascii_case(PRIVILEGED_NAMESPACE))
        || PRIVILEGED_METHODS
            .iter()
            .any(|method| method.eq_ignore_ascii_case(nsid))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use atproto_data::crypto::Curve;

    use super::*;

    #[test]
    fn tokens_carry_their_claims_and_verify() {
        let key = SigningKey::from_bytes(Curve::K256, &[5; 32]).unwrap();
        let iss: Did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap();
        let lxm: Nsid = "app.bsky.feed.getTimeline".parse().unwrap();
        let sign = |lxm| service_token(&key, &iss, "did:web:api.example.com", lxm, 160, 100, [1; 16]);
        let token = jws::parse(&sign(Some(&lxm))).unwrap();
        assert_eq!(token.header, json!({"typ": "JWT", "alg": "ES256K"}));
        let expected = json!({
            "iat": 100,
            "iss": iss.as_str(),
            "aud": "did:web:api.example.com",
            "exp": 160,
            "lxm": "app.bsky.feed.getTimeline",
            "jti": "01010101010101010101010101010101",
        });
        assert_eq!(token.claims, expected);
        assert_eq!(token.verify(&key.public_key()), Ok(()));
        assert_eq!(jws::parse(&sign(None)).unwrap().claims.get("lxm"), None);
    }

    #[test]
    fn protected_and_privileged_methods_are_known_in_any_case() {
        assert!(is_protected("com.atproto.identity.signPlcOperation"));
        assert!(is_protected("COM.atproto.server.getsession"));
        assert!(!is_protected("com.atproto.server.createAccount"));
        assert!(is_privileged("chat.bsky.convo.getLog"));
        assert!(is_privileged("Chat.Bsky.convo.getLog"));
        assert!(is_privileged("com.atproto.server.createAccount"));
        assert!(!is_privileged("app.bsky.feed.getTimeline"));
        assert!(!is_privileged("chat.bs"));
    }
}
