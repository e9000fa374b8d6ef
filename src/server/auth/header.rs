//! The `Authorization` header ([RFC 9110 §11.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2)).

use std::fmt;

use axum::http::{HeaderMap, header};

use crate::server::error::XrpcError;

/// The credentials that a request carries, not verified.
#[derive(Clone, PartialEq, Eq)]
pub enum Authorization {
    /// `Basic`: base64 of `user:password`, not decoded yet.
    Basic(String),
    /// `Bearer`: a session token or a service JWT.
    Bearer(String),
    /// `DPoP`: an OAuth access token (RFC 9449).
    DPoP(String),
}

impl Authorization {
    /// Reads the header: the scheme's name in any case, one space, the credentials. `None` if there is none.
    ///
    /// # Errors
    /// 400 `InvalidToken` for a scheme we do not know, and for a header that is malformed or there twice.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, XrpcError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next().filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let malformed = || XrpcError::invalid_token("Malformed authorization header");
        let (scheme, credentials) = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .ok_or_else(malformed)?;
        if values.next().is_some() || credentials.contains(' ') {
            return Err(malformed());
        }
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Ok(Some(Self::Basic(credentials.to_owned()))),
            "bearer" => Ok(Some(Self::Bearer(credentials.to_owned()))),
            "dpop" => Ok(Some(Self::DPoP(credentials.to_owned()))),
            _ => Err(XrpcError::invalid_token(format!(
                "Unsupported authorization type: {scheme}"
            ))),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
            Self::DPoP(_) => "DPoP(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use axum::http::HeaderValue;

    use super::*;

    fn parse(value: &str) -> Result<Option<Authorization>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        Authorization::from_headers(&headers).map_err(|error| format!("{} {}", error.error, error.message))
    }

    #[test]
    fn knows_three_schemes_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(
                parse(&format!("{scheme} abc")),
                Ok(Some(Authorization::Bearer("abc".into())))
            );
        }
        assert_eq!(parse("DPoP abc"), Ok(Some(Authorization::DPoP("abc".into()))));
        assert_eq!(parse("Basic abc"), Ok(Some(Authorization::Basic("abc".into()))));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(
            parse("Foo bar"),
            Err("InvalidToken Unsupported authorization type: Foo".into())
        );
        for value in ["Bearer", "Bearer a b", "Bearer  a"] {
            assert_eq!(
                parse(value),
                Err("InvalidToken Malformed authorization header".into()),
                "{value}"
            );
        }
    }

    #[test]
    fn absent_and_empty_are_the_same_and_two_are_refused() {
        assert_eq!(Authorization::from_headers(&HeaderMap::new()).unwrap(), None);
        assert_eq!(parse(""), Ok(None));
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(Authorization::from_headers(&headers).is_err());
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        assert_eq!(format!("{:?}", Authorization::Bearer("secret".into())), "Bearer(…)");
    }
}
