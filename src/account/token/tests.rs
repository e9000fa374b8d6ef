//! Tokens, good and bad.

#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_767_225_600;
const SECRET: &str = "a secret of the tests";

fn did() -> Did {
    "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap()
}

fn tokens() -> Tokens {
    Tokens::new(SECRET, &"did:web:localhost".parse().unwrap())
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A token as somebody who knows the secret could make it: `change` is merged into the claims.
fn minted(header: &Value, change: &Value) -> String {
    let mut claims =
        json!({"scope": "com.atproto.access", "aud": "did:web:localhost", "sub": did(), "iat": NOW, "exp": NOW + 60});
    claims
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    let parts = [header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let input = parts.join(".");
    let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &tokens().encoding, Algorithm::HS256).unwrap();
    format!("{input}.{signature}")
}

#[test]
fn tokens_are_those_of_the_reference_with_a_session() {
    let access = tokens().issue_access(&did(), SessionScope::Access, "session", NOW);
    assert_eq!(part(&access, 0), json!({"typ": "at+jwt", "alg": "HS256"}));
    assert_eq!(
        part(&access, 1),
        json!({
            "scope": "com.atproto.access", "aud": "did:web:localhost", "sub": did(), "jti": "session",
            "iat": NOW, "exp": NOW + 7_200,
        })
    );
    let refresh = tokens().issue_refresh(&did(), "token", NOW + REFRESH_SECONDS);
    assert_eq!(part(&refresh, 0), json!({"typ": "refresh+jwt", "alg": "HS256"}));
    assert_eq!(
        part(&refresh, 1),
        json!({
            "scope": "com.atproto.refresh", "aud": "did:web:localhost", "sub": did(), "jti": "token",
            "iat": NOW, "exp": NOW + 7_776_000,
        })
    );
}

#[test]
fn what_is_issued_can_be_read() {
    let access = tokens().issue_access(&did(), SessionScope::AppPass, "session", NOW);
    let read = tokens().read_access(&access, NOW + ACCESS_SECONDS - 1).unwrap();
    assert_eq!(
        (read.scope, read.session_id.as_deref(), read.issued_at),
        (SessionScope::AppPass, Some("session"), NOW)
    );
    assert!(matches!(
        tokens().read_access(&access, NOW + ACCESS_SECONDS),
        Err(TokenError::Expired)
    ));
    assert!(matches!(tokens().read_refresh(&access, NOW), Err(TokenError::Invalid)));

    let refresh = tokens().issue_refresh(&did(), "token", NOW + 10);
    let read = tokens().read_refresh(&refresh, NOW).unwrap();
    assert_eq!(read.token_id, "token");
    assert!(!read.is_expired(NOW + 9) && read.is_expired(NOW + 10));
    assert!(matches!(tokens().read_access(&refresh, NOW), Err(TokenError::Invalid)));
}

#[test]
fn tokens_of_the_reference_without_a_session_are_read() {
    let token = minted(&json!({"typ": "at+jwt", "alg": "HS256"}), &json!({}));
    assert_eq!(tokens().read_access(&token, NOW).unwrap().session_id, None);
}

#[test]
fn all_else_is_refused() {
    let good = json!({"typ": "at+jwt", "alg": "HS256"});
    let other_key = Tokens::new("", &"did:web:localhost".parse().unwrap());
    let cases = [
        (
            minted(&json!({"alg": "HS256"}), &json!({})),
            "Token could not be verified",
        ),
        (
            minted(&json!({"typ": "JWT", "alg": "HS256"}), &json!({})),
            "Token could not be verified",
        ),
        (
            minted(&json!({"typ": "at+jwt", "alg": "none"}), &json!({})),
            "Token could not be verified",
        ),
        (
            minted(&json!({"typ": "at+jwt", "alg": "HS512"}), &json!({})),
            "Token could not be verified",
        ),
        (
            minted(&json!({"typ": "at+jwt", "alg": "RS256"}), &json!({})),
            "Token could not be verified",
        ),
        (
            minted(&good, &json!({"aud": "did:web:other.test"})),
            "Token could not be verified",
        ),
        (
            minted(&good, &json!({"aud": ["did:web:localhost"]})),
            "Token could not be verified",
        ),
        (minted(&good, &json!({"nbf": NOW + 1})), "Token could not be verified"),
        (minted(&good, &json!({"exp": "never"})), "Token could not be verified"),
        (minted(&good, &json!({"exp": null})), "Token could not be verified"),
        (minted(&good, &json!({"exp": u64::MAX})), "Token could not be verified"),
        (minted(&good, &json!({"exp": 0})), "Token has expired"),
        (minted(&good, &json!({"exp": NOW})), "Token has expired"),
        (minted(&good, &json!({"sub": "nobody"})), "Malformed token"),
        (
            minted(&good, &json!({"lxm": "com.atproto.server.getSession"})),
            "Malformed token",
        ),
        (minted(&good, &json!({"cnf": {"jkt": "x"}})), "Malformed token"),
        (
            minted(&good, &json!({"scope": "com.atproto.refresh"})),
            "Bad token scope",
        ),
        (minted(&good, &json!({"scope": "foo"})), "Bad token scope"),
        (
            other_key.issue_access(&did(), SessionScope::Access, "s", NOW),
            "Token could not be verified",
        ),
        ("garbage".to_owned(), "Token could not be verified"),
        (String::new(), "Token could not be verified"),
        (format!("{}.", minted(&good, &json!({}))), "Token could not be verified"),
        (
            minted(&good, &json!({"pad": "x".repeat(5_000)})),
            "Token could not be verified",
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(
            tokens().read_access(&token, NOW).unwrap_err().to_string(),
            expected,
            "{token}"
        );
    }
    let mut forged = minted(&good, &json!({}));
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'E' } else { 'A' });
    assert!(matches!(tokens().read_access(&forged, NOW), Err(TokenError::Invalid)));
}
