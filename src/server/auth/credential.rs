//! From what a method asks and what a request carries to the one thing that is to be verified.

use std::fmt;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Access, Auth, Authorization, is_admin};
use crate::server::error::XrpcError;

/// What is to be verified before a method runs. Tokens are as they came.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: the caller is nobody in particular.
    Anonymous,
    /// Nothing more: the administrator's password was right.
    Admin,
    /// A legacy access token, which must suit this.
    AccessToken(String, Access),
    /// An OAuth access token with its DPoP proof, which must suit this.
    DpopToken(String, Access),
    /// A refresh token; [`Auth`] says whether it may have expired.
    RefreshToken(String),
    /// A user's service JWT whose `lxm` is the method.
    ServiceToken(String),
    /// A service JWT of the moderation service whose `lxm` is the method.
    ModeratorToken(String),
}

/// Picks the credential to verify, or refuses with the reference's error: 401 `AuthMissing` or `AuthenticationRequired`, 400
/// `InvalidToken` for a kind of credentials that the method does not take.
pub fn credential(auth: Auth, headers: &HeaderMap, admin_password: &str) -> Result<Credential, XrpcError> {
    let authorization = Authorization::from_headers(headers);
    match auth {
        Auth::None => Ok(Credential::Anonymous),
        Auth::Admin => admin(authorization.ok().flatten(), admin_password),
        Auth::Moderator => match authorization? {
            Some(Authorization::Bearer(token)) => Ok(Credential::ModeratorToken(token)),
            other => admin(other, admin_password),
        },
        Auth::Access(access) => access_token(authorization?, access),
        Auth::Refresh | Auth::RefreshEvenIfExpired => match authorization? {
            Some(Authorization::Bearer(token)) => Ok(Credential::RefreshToken(token)),
            _ => Err(XrpcError::auth_missing()),
        },
        Auth::OptionalService => match authorization? {
            Some(Authorization::Bearer(token)) => Ok(Credential::ServiceToken(token)),
            None => Ok(Credential::Anonymous),
            Some(_) => Err(XrpcError::authentication_failed("Invalid authorization header")),
        },
        Auth::AccessOrService(access) => match authorization? {
            Some(Authorization::Bearer(token)) if names_a_method(&token) => Ok(Credential::ServiceToken(token)),
            other => access_token(other, access),
        },
        Auth::AccessOrModerator(access) => match authorization? {
            Some(Authorization::Bearer(token)) if names_a_method(&token) => Ok(Credential::ModeratorToken(token)),
            other => access_token(other, access),
        },
        Auth::OptionalAccessOrAdmin(access) => match authorization? {
            None => Ok(Credential::Anonymous),
            Some(Authorization::Basic(basic)) => admin(Some(Authorization::Basic(basic)), admin_password),
            other => access_token(other, access),
        },
    }
}

/// Whether a request presents what may be the administrator's password to a method that takes it.
pub fn guesses_admin_password(auth: Auth, headers: &HeaderMap) -> bool {
    let takes_it = matches!(auth, Auth::Admin | Auth::Moderator | Auth::OptionalAccessOrAdmin(_));
    takes_it && matches!(Authorization::from_headers(headers), Ok(Some(Authorization::Basic(_))))
}

fn admin(authorization: Option<Authorization>, password: &str) -> Result<Credential, XrpcError> {
    match authorization {
        Some(Authorization::Basic(basic)) if is_admin(&basic, password) => Ok(Credential::Admin),
        _ => Err(XrpcError::authentication_required()),
    }
}

fn access_token(authorization: Option<Authorization>, access: Access) -> Result<Credential, XrpcError> {
    match authorization {
        Some(Authorization::Bearer(token)) => Ok(Credential::AccessToken(token, access)),
        Some(Authorization::DPoP(token)) => Ok(Credential::DpopToken(token, access)),
        Some(Authorization::Basic(_)) => Err(XrpcError::invalid_token("Unexpected authorization type")),
        None => Err(XrpcError::auth_missing()),
    }
}

/// Whether a JWT's claims have `lxm`, which only service JWTs do. Nothing is verified here: it only tells which verification applies.
fn names_a_method(jwt: &str) -> bool {
    let claims = jwt
        .split('.')
        .nth(1)
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims = claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    claims.is_some_and(|claims| !claims["lxm"].is_null())
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Admin => "Admin",
            Self::AccessToken(..) => "AccessToken(…)",
            Self::DpopToken(..) => "DpopToken(…)",
            Self::RefreshToken(_) => "RefreshToken(…)",
            Self::ServiceToken(_) => "ServiceToken(…)",
            Self::ModeratorToken(_) => "ModeratorToken(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::http::{HeaderValue, header};

    use super::*;

    const ADMIN_BASIC: &str = "Basic YWRtaW46YWRtaW4tcGFzcw==";
    const MISSING: &str = "401 AuthMissing Authentication Required";
    const REQUIRED: &str = "401 AuthenticationRequired Authentication Required";
    const UNEXPECTED: &str = "400 InvalidToken Unexpected authorization type";

    fn pick(auth: Auth, value: &str) -> String {
        let mut headers = HeaderMap::new();
        if !value.is_empty() {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        match credential(auth, &headers, "admin-pass") {
            Ok(credential) => format!("{credential:?}"),
            Err(error) => format!("{} {} {}", error.status.as_u16(), error.error, error.message),
        }
    }

    #[test]
    fn basic_credentials_are_guesses_where_the_password_is_taken() {
        let mut headers = HeaderMap::new();
        assert!(!guesses_admin_password(Auth::Admin, &headers));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic !!!"));
        for auth in [
            Auth::Admin,
            Auth::Moderator,
            Auth::OptionalAccessOrAdmin(Access::STANDARD),
        ] {
            assert!(guesses_admin_password(auth, &headers), "{auth:?}");
        }
        assert!(!guesses_admin_password(Auth::None, &headers));
        assert!(!guesses_admin_password(Auth::Access(Access::STANDARD), &headers));
    }

    #[test]
    fn every_kind_of_method_picks_its_credential() {
        let access = Access::STANDARD;
        let service_jwt = format!(
            "Bearer x.{}.y",
            URL_SAFE_NO_PAD.encode(r#"{"lxm":"com.example.method"}"#)
        );
        let cases = [
            (Auth::None, "Foo bar", "Anonymous"),
            (Auth::Admin, "", REQUIRED),
            (Auth::Admin, "Basic YWRtaW46d3Jvbmc=", REQUIRED),
            (Auth::Admin, "Foo bar", REQUIRED),
            (Auth::Admin, "Bearer abc", REQUIRED),
            (Auth::Admin, ADMIN_BASIC, "Admin"),
            (Auth::Moderator, ADMIN_BASIC, "Admin"),
            (Auth::Moderator, "Bearer abc", "ModeratorToken(…)"),
            (Auth::Moderator, "", REQUIRED),
            (Auth::Access(access), "", MISSING),
            (Auth::Access(access), "Bearer abc", "AccessToken(…)"),
            (Auth::Access(access), "DPoP abc", "DpopToken(…)"),
            (Auth::Access(access), ADMIN_BASIC, UNEXPECTED),
            (
                Auth::Access(access),
                "Foo bar",
                "400 InvalidToken Unsupported authorization type: Foo",
            ),
            (Auth::Refresh, "", MISSING),
            (Auth::Refresh, ADMIN_BASIC, MISSING),
            (Auth::RefreshEvenIfExpired, "Bearer abc", "RefreshToken(…)"),
            (Auth::OptionalService, "", "Anonymous"),
            (Auth::OptionalService, "Bearer abc", "ServiceToken(…)"),
            (
                Auth::OptionalService,
                ADMIN_BASIC,
                "401 AuthenticationRequired Invalid authorization header",
            ),
            (Auth::AccessOrService(access), "Bearer abc", "AccessToken(…)"),
            (Auth::AccessOrService(access), &service_jwt, "ServiceToken(…)"),
            (Auth::AccessOrModerator(access), &service_jwt, "ModeratorToken(…)"),
            (Auth::OptionalAccessOrAdmin(access), "", "Anonymous"),
            (Auth::OptionalAccessOrAdmin(access), ADMIN_BASIC, "Admin"),
            (Auth::OptionalAccessOrAdmin(access), "Basic !!!", REQUIRED),
            (Auth::OptionalAccessOrAdmin(access), "DPoP abc", "DpopToken(…)"),
        ];
        for (auth, header, expected) in cases {
            assert_eq!(pick(auth, header), expected, "{auth:?} with {header}");
        }
    }
}
