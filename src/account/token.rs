//! Session tokens: JWTs (RFC 7519) signed with HS256, as the reference issues them, plus the session's id in access tokens.

use atproto_data::Did;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::session_scope::SessionScope;

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
    /// Its session has ended because its account was taken down.
    #[error("Account has been taken down")]
    TakenDown,
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
    pub(super) scope: SessionScope,
    pub(super) session_id: Option<String>,
    /// Seconds since 1970.
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
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
    pub(super) fn issue_access(&self, did: &Did, scope: SessionScope, session_id: &str, now: i64) -> String {
        let (scope, jti) = (scope.as_str(), Some(session_id));
        self.issue(
            ACCESS_TYPE,
            &IssuedClaims {
                scope,
                aud: &self.audience,
                sub: did.as_str(),
                jti,
                iat: now,
                exp: now + ACCESS_SECONDS,
            },
        )
    }

    /// The refresh token with an id; as it depends on nothing else than its end, it is the same however often it is issued.
    pub(super) fn issue_refresh(&self, did: &Did, token_id: &str, expires_at: i64) -> String {
        let (jti, iat) = (Some(token_id), expires_at - REFRESH_SECONDS);
        let (scope, aud) = (REFRESH_SCOPE, self.audience.as_str());
        self.issue(
            REFRESH_TYPE,
            &IssuedClaims {
                scope,
                aud,
                sub: did.as_str(),
                jti,
                iat,
                exp: expires_at,
            },
        )
    }

    /// An access token as the reference issues it.
    #[cfg(test)]
    pub(super) fn issue_sessionless(&self, did: &Did, now: i64) -> String {
        let (scope, aud) = (SessionScope::Access.as_str(), self.audience.as_str());
        let claims = IssuedClaims {
            scope,
            aud,
            sub: did.as_str(),
            jti: None,
            iat: now,
            exp: now + ACCESS_SECONDS,
        };
        self.issue(ACCESS_TYPE, &claims)
    }

    fn issue(&self, token_type: &str, claims: &IssuedClaims<'_>) -> String {
        let header = Header {
            typ: Some(token_type.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        #[expect(
            clippy::expect_used,
            reason = "strings and integers are always JSON, and HMAC takes any key"
        )]
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("a token")
    }

    /// Reads an access token at `now` in seconds since 1970.
    pub(super) fn read_access(&self, token: &str, now: i64) -> Result<AccessToken, TokenError> {
        let claims = self.read(token, ACCESS_TYPE, now)?;
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        let did = claims.sub.parse().map_err(|_| TokenError::Malformed)?;
        let scope = SessionScope::parse(&claims.scope).ok_or(TokenError::Scope)?;
        Ok(AccessToken {
            did,
            scope,
            session_id: claims.jti,
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }

    /// Reads a refresh token at `now` in seconds since 1970, expired or not.
    pub(super) fn read_refresh(&self, token: &str, now: i64) -> Result<RefreshToken, TokenError> {
        let claims = self.read(token, REFRESH_TYPE, now)?;
        if claims.scope != REFRESH_SCOPE {
            return Err(TokenError::Scope);
        }
        let did = claims.sub.parse().map_err(|_| TokenError::Malformed)?;
        let token_id = claims.jti.ok_or(TokenError::Malformed)?;
        Ok(RefreshToken {
            did,
            token_id,
            expires_at: claims.exp,
        })
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
mod tests;
