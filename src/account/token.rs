//! Session tokens: JWTs (RFC 7519) signed with HS256, as the reference issues them, plus the session's id in access tokens.

use atproto_data::Did;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// How long tokens live, in seconds.
pub(super) const ACCESS_SECONDS: i64 = 2 * 60 * 60;
pub(super) const REFRESH_SECONDS: i64 = 90 * 24 * 60 * 60;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 4_096;

/// `typ` of the two kinds (RFC 9068 for the first).
const ACCESS_TYPE: &str = "at+jwt";
const REFRESH_TYPE: &str = "refresh+jwt";
/// Scope of refresh tokens.
const REFRESH_SCOPE: &str = "com.atproto.refresh";

/// What an access token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything: logged in with the account's password.
    Access,
    /// Logged in with an app password.
    AppPass,
    /// Logged in with an app password that may read direct messages.
    AppPassPrivileged,
    /// Logged in while taken down: enough to leave.
    Takendown,
    /// Waiting to be admitted; only other servers issue it.
    SignupQueued,
}

impl Scope {
    const ALL: [Scope; 5] =
        [Scope::Access, Scope::AppPass, Scope::AppPassPrivileged, Scope::Takendown, Scope::SignupQueued];

    /// The scope's name in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Access => "com.atproto.access",
            Scope::AppPass => "com.atproto.appPass",
            Scope::AppPassPrivileged => "com.atproto.appPassPrivileged",
            Scope::Takendown => "com.atproto.takendown",
            Scope::SignupQueued => "com.atproto.signupQueued",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Scope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is forged, malformed, of the wrong kind or for another server.
    #[error("Token could not be verified")]
    Invalid,
    /// It carries claims that a session token must not have.
    #[error("Malformed token")]
    Malformed,
    /// Its scope is none of an access token.
    #[error("Bad token scope")]
    Scope,
    /// Its time is over.
    #[error("Token has expired")]
    Expired,
    /// Its session has ended.
    #[error("Token has been revoked")]
    Revoked,
    /// Its account is not here (any more).
    #[error("Account not found")]
    UnknownAccount(Did),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// A refresh token whose signature, kind and audience are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub(super) did: Did,
    pub(super) token_id: String,
    expires_at: i64,
}

/// An access token whose signature, kind, audience and time are right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AccessToken {
    pub(super) did: Did,
    pub(super) scope: Scope,
    pub(super) session_id: Option<String>,
    /// Seconds since 1970.
    pub(super) issued_at: i64,
}

/// Signs and reads tokens.
pub(super) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    audience: String,
}

#[derive(Serialize)]
struct IssuedClaims<'c> {
    scope: &'c str,
    aud: &'c str,
    sub: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'c str>,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct ReadClaims {
    scope: String,
    aud: String,
    sub: String,
    jti: Option<String>,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    lxm: Option<serde_json::Value>,
    cnf: Option<serde_json::Value>,
}

impl Tokens {
    pub(super) fn new(secret: &str, service_did: &Did) -> Tokens {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times and audience are checked below: in the reference's order and with the injected clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Tokens {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            audience: service_did.to_string(),
        }
    }

    /// An access token, issued at `now` in seconds since 1970.
    pub(super) fn issue_access(&self, did: &Did, scope: Scope, session_id: &str, now: i64) -> String {
        let (scope, jti) = (scope.as_str(), Some(session_id));
        self.issue(ACCESS_TYPE, &IssuedClaims { scope, aud: &self.audience, sub: did.as_str(), jti, iat: now, exp: now + ACCESS_SECONDS })
    }

    /// The refresh token with an id; as it depends on nothing else than its end, it is the same however often it is issued.
    pub(super) fn issue_refresh(&self, did: &Did, token_id: &str, expires_at: i64) -> String {
        let (jti, iat) = (Some(token_id), expires_at - REFRESH_SECONDS);
        let (scope, aud) = (REFRESH_SCOPE, self.audience.as_str());
        self.issue(REFRESH_TYPE, &IssuedClaims { scope, aud, sub: did.as_str(), jti, iat, exp: expires_at })
    }

    /// An access token as the reference issues it.
    #[cfg(test)]
    pub(super) fn issue_sessionless(&self, did: &Did, now: i64) -> String {
        let (scope, aud) = (Scope::Access.as_str(), self.audience.as_str());
        let claims = IssuedClaims { scope, aud, sub: did.as_str(), jti: None, iat: now, exp: now + ACCESS_SECONDS };
        self.issue(ACCESS_TYPE, &claims)
    }

    fn issue(&self, token_type: &str, claims: &IssuedClaims<'_>) -> String {
        let header = Header { typ: Some(token_type.to_owned()), ..Header::new(Algorithm::HS256) };
        #[expect(clippy::expect_used, reason = "strings and integers are always JSON, and HMAC takes any key")]
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("a token")
    }

    /// Reads an access token at `now` in seconds since 1970.
    pub(super) fn read_access(&self, token: &str, now: i64) -> Result<AccessToken, TokenError> {
        let claims = self.read(token, ACCESS_TYPE, now)?;
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        let did = claims.sub.parse().map_err(|_| TokenError::Malformed)?;
        let scope = Scope::parse(&claims.scope).ok_or(TokenError::Scope)?;
        Ok(AccessToken { did, scope, session_id: claims.jti, issued_at: claims.iat })
    }

    /// Reads a refresh token at `now` in seconds since 1970, expired or not.
    pub(super) fn read_refresh(&self, token: &str, now: i64) -> Result<RefreshToken, TokenError> {
        let claims = self.read(token, REFRESH_TYPE, now)?;
        if claims.scope != REFRESH_SCOPE {
            return Err(TokenError::Scope);
        }
        let did = claims.sub.parse().map_err(|_| TokenError::Malformed)?;
        let token_id = claims.jti.ok_or(TokenError::Malformed)?;
        Ok(RefreshToken { did, token_id, expires_at: claims.exp })
    }

    fn read(&self, token: &str, token_type: &str, now: i64) -> Result<ReadClaims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid);
        }
        let token = jsonwebtoken::decode::<ReadClaims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError::Invalid)?;
        let claims = token.claims;
        let is_ours = token.header.typ.as_deref() == Some(token_type) && claims.aud == self.audience;
        if !is_ours || claims.nbf.is_some_and(|not_before| not_before > now) {
            return Err(TokenError::Invalid);
        }
        if claims.lxm.is_some() || claims.cnf.is_some() {
            return Err(TokenError::Malformed);
        }
        Ok(claims)
    }
}

impl RefreshToken {
    pub(super) fn is_expired(&self, now: i64) -> bool {
        self.expires_at <= now
    }
}

#[cfg(test)]
mod tests {
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
        let mut claims = json!({"scope": "com.atproto.access", "aud": "did:web:localhost", "sub": did(), "iat": NOW, "exp": NOW + 60});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let parts = [header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let input = parts.join(".");
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &tokens().encoding, Algorithm::HS256).unwrap();
        format!("{input}.{signature}")
    }

    #[test]
    fn tokens_are_those_of_the_reference_with_a_session() {
        let access = tokens().issue_access(&did(), Scope::Access, "session", NOW);
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
        let access = tokens().issue_access(&did(), Scope::AppPass, "session", NOW);
        let read = tokens().read_access(&access, NOW + ACCESS_SECONDS - 1).unwrap();
        assert_eq!((read.scope, read.session_id.as_deref(), read.issued_at), (Scope::AppPass, Some("session"), NOW));
        assert!(matches!(tokens().read_access(&access, NOW + ACCESS_SECONDS), Err(TokenError::Expired)));
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
            (minted(&json!({"alg": "HS256"}), &json!({})), "Token could not be verified"),
            (minted(&json!({"typ": "JWT", "alg": "HS256"}), &json!({})), "Token could not be verified"),
            (minted(&json!({"typ": "at+jwt", "alg": "none"}), &json!({})), "Token could not be verified"),
            (minted(&json!({"typ": "at+jwt", "alg": "HS512"}), &json!({})), "Token could not be verified"),
            (minted(&json!({"typ": "at+jwt", "alg": "RS256"}), &json!({})), "Token could not be verified"),
            (minted(&good, &json!({"aud": "did:web:other.test"})), "Token could not be verified"),
            (minted(&good, &json!({"aud": ["did:web:localhost"]})), "Token could not be verified"),
            (minted(&good, &json!({"nbf": NOW + 1})), "Token could not be verified"),
            (minted(&good, &json!({"exp": "never"})), "Token could not be verified"),
            (minted(&good, &json!({"exp": null})), "Token could not be verified"),
            (minted(&good, &json!({"exp": u64::MAX})), "Token could not be verified"),
            (minted(&good, &json!({"exp": 0})), "Token has expired"),
            (minted(&good, &json!({"exp": NOW})), "Token has expired"),
            (minted(&good, &json!({"sub": "nobody"})), "Malformed token"),
            (minted(&good, &json!({"lxm": "com.atproto.server.getSession"})), "Malformed token"),
            (minted(&good, &json!({"cnf": {"jkt": "x"}})), "Malformed token"),
            (minted(&good, &json!({"scope": "com.atproto.refresh"})), "Bad token scope"),
            (minted(&good, &json!({"scope": "foo"})), "Bad token scope"),
            (other_key.issue_access(&did(), Scope::Access, "s", NOW), "Token could not be verified"),
            ("garbage".to_owned(), "Token could not be verified"),
            (String::new(), "Token could not be verified"),
            (format!("{}.", minted(&good, &json!({}))), "Token could not be verified"),
            (minted(&good, &json!({"pad": "x".repeat(5_000)})), "Token could not be verified"),
        ];
        for (token, expected) in cases {
            assert_eq!(tokens().read_access(&token, NOW).unwrap_err().to_string(), expected, "{token}");
        }
        let mut forged = minted(&good, &json!({}));
        let last = forged.pop().unwrap();
        forged.push(if last == 'A' { 'E' } else { 'A' });
        assert!(matches!(tokens().read_access(&forged, NOW), Err(TokenError::Invalid)));
    }
}
