//! Verifying the tokens with which others call this server
//! ([inter-service authentication](https://atproto.com/specs/xrpc#inter-service-authentication-jwt)).

use std::sync::Arc;

use atproto_data::jws::{self, JwsError, Unverified};
use atproto_data::{Did, PublicKey};
use atproto_plc::state::{ATPROTO_KEY, ATPROTO_PDS};
use serde_json::Value;

use super::did_resolver::{DidResolver, ResolveError, ResolvedDid};
use super::spent_tokens::{SpentTokens, TokenUse};
use crate::clock::Clock;

/// `typ`s of tokens that are made for something else.
const OTHER_TYPES: [&str; 3] = ["at+jwt", "refresh+jwt", "dpop+jwt"];
/// Tokens that name a method live an hour at most; clocks may differ by some minutes.
const MAX_LIFETIME: i64 = 65 * 60;
/// The part of a labeler's DID that moderation services sign as, and its key.
const LABELER: &str = "atproto_labeler";
const LABELER_KEY: &str = "atproto_label";
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Who may call.
#[derive(Clone, Copy, Debug)]
pub enum Issuer<'i> {
    /// Anybody, for their own account.
    AnyAccount,
    /// This service, as itself or as its labeler.
    Service(&'i Did),
}

/// Whether a token is good once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Until its time is over.
    Many,
    /// For one call that succeeds.
    One,
}

/// Who calls with a service token.
#[derive(Debug)]
pub struct ServiceCaller {
    /// The DID of the account or service.
    pub did: Did,
    /// For a token that is good once: holds it, until it is spent or dropped.
    pub token_use: Option<TokenUse>,
}

/// Why a service token is refused. The names are for programs, the messages for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceTokenError {
    /// It is not a JWT with the claims that are needed.
    #[error("poorly formatted jwt")]
    Malformed,
    /// It is a token for something else.
    #[error("Invalid jwt type \"{0}\"")]
    Type(String),
    /// Its time is over.
    #[error("jwt expired")]
    Expired,
    /// Its time ends too late.
    #[error("jwt expires too far in the future")]
    TooLong,
    /// It is for another server.
    #[error("jwt audience does not match service did")]
    Audience,
    /// It is for another method.
    #[error("bad jwt lexicon method (\"lxm\"). must match: {0}")]
    Method(String),
    /// It does not say for which method it is.
    #[error("missing jwt lexicon method (\"lxm\"). must match: {0}")]
    MethodMissing(String),
    /// Its issuer is not a DID that may call.
    #[error("jwt iss is not a valid did")]
    Issuer,
    /// Its issuer is not the one that may call.
    #[error("Untrusted issuer")]
    Untrusted,
    /// The issuer's keys cannot be found out.
    #[error("could not resolve iss did")]
    Unresolved,
    /// The issuer has no key for this.
    #[error("missing or bad key in did doc")]
    KeyMissing,
    /// It is not signed by its issuer.
    #[error("jwt signature does not match jwt issuer")]
    Signature,
    /// It was good once.
    #[error("jwt has been used before")]
    Spent,
}

/// Verifies service tokens that are meant for this server.
pub struct ServiceVerifier {
    resolver: Arc<dyn DidResolver>,
    clock: Arc<dyn Clock>,
    audience: Did,
    spent: SpentTokens,
}

/// The claims that matter.
struct Claims {
    issuer: String,
    audience: String,
    method: Option<String>,
    /// Seconds since 1970.
    expires: i64,
    id: Option<String>,
}

impl ServiceVerifier {
    /// A verifier of tokens for the service `audience`.
    pub fn new(resolver: Arc<dyn DidResolver>, clock: Arc<dyn Clock>, audience: Did) -> ServiceVerifier {
        ServiceVerifier {
            resolver,
            clock,
            audience,
            spent: SpentTokens::default(),
        }
    }

    /// Who calls the method `lxm` with a token.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn verify(
        &self,
        token: &str,
        lxm: &str,
        issuer: Issuer<'_>,
        uses: Uses,
    ) -> Result<ServiceCaller, ServiceTokenError> {
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let token = jws::parse(token).map_err(|_| ServiceTokenError::Malformed)?;
        check_type(&token.header)?;
        let claims = Claims::read(&token.claims).ok_or(ServiceTokenError::Malformed)?;
        let now = self.clock.now_micros() / MICROS_PER_SECOND;
        self.check_claims(&claims, lxm, now)?;
        let (did, key) = issuer.check(&claims.issuer)?;
        // Held before the directory is asked, so that of two equal calls at once only one goes on.
        let token_use = match uses {
            Uses::One => {
                // One without a number is told from others by all that it says.
                let id = claims.id.as_deref().unwrap_or(signed);
                let held = self.spent.hold(&claims.issuer, id, claims.expires, now);
                Some(held.ok_or(ServiceTokenError::Spent)?)
            }
            Uses::Many => None,
        };
        self.check_signature(&token, &did, key).await?;
        Ok(ServiceCaller { did, token_use })
    }

    fn check_claims(&self, claims: &Claims, lxm: &str, now: i64) -> Result<(), ServiceTokenError> {
        if claims.expires < now {
            return Err(ServiceTokenError::Expired);
        }
        if claims.expires > now.saturating_add(MAX_LIFETIME) {
            return Err(ServiceTokenError::TooLong);
        }
        match &claims.method {
            Some(method) if method == lxm => {}
            Some(_) => return Err(ServiceTokenError::Method(lxm.to_owned())),
            None => return Err(ServiceTokenError::MethodMissing(lxm.to_owned())),
        }
        let service = match claims.audience.split_once('#') {
            Some((did, service)) if did == self.audience.as_str() => service,
            None if claims.audience == self.audience.as_str() => ATPROTO_PDS,
            _ => return Err(ServiceTokenError::Audience),
        };
        if service == ATPROTO_PDS {
            Ok(())
        } else {
            Err(ServiceTokenError::Audience)
        }
    }

    /// Checks the signature by the issuer's document; if it does not hold, once more by the document of this moment.
    async fn check_signature(&self, token: &Unverified, did: &Did, key: &str) -> Result<(), ServiceTokenError> {
        let known = key_of(self.resolver.resolve(did).await, did, key);
        if let Ok(known) = &known
            && token.verify(known).is_ok()
        {
            return Ok(());
        }
        if known == Err(ServiceTokenError::Unresolved) {
            return Err(ServiceTokenError::Unresolved);
        }
        let fresh = key_of(self.resolver.resolve_anew(did).await, did, key)?;
        token.verify(&fresh).map_err(|error| match error {
            JwsError::Signature | JwsError::Algorithm => ServiceTokenError::Signature,
            _ => ServiceTokenError::Malformed,
        })
    }
}

impl Issuer<'_> {
    /// The issuer's DID and the name of the key it must have signed with.
    fn check(self, claimed: &str) -> Result<(Did, &'static str), ServiceTokenError> {
        let (did, service) = claimed
            .split_once('#')
            .map_or((claimed, None), |(did, name)| (did, Some(name)));
        let did: Did = did.parse().map_err(|_| match self {
            Issuer::AnyAccount => ServiceTokenError::Issuer,
            Issuer::Service(_) => ServiceTokenError::Untrusted,
        })?;
        match (self, service) {
            (Issuer::AnyAccount, None) => Ok((did, ATPROTO_KEY)),
            (Issuer::AnyAccount, Some(_)) => Err(ServiceTokenError::Issuer),
            (Issuer::Service(trusted), None) if did == *trusted => Ok((did, ATPROTO_KEY)),
            (Issuer::Service(trusted), Some(LABELER)) if did == *trusted => Ok((did, LABELER_KEY)),
            (Issuer::Service(_), _) => Err(ServiceTokenError::Untrusted),
        }
    }
}

impl Claims {
    fn read(claims: &Value) -> Option<Claims> {
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let optional = |name: &str| match &claims[name] {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(text.clone())),
            _ => None,
        };
        Some(Claims {
            issuer: text("iss")?,
            audience: text("aud")?,
            method: optional("lxm")?,
            expires: seconds(&claims["exp"])?,
            id: optional("jti")?,
        })
    }
}

/// A time of a JWT (RFC 7519 "NumericDate"), without its fraction.
fn seconds(claim: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "`as` cuts off at the ends of the range")]
    claim
        .as_i64()
        .or_else(|| claim.as_f64().map(|seconds| seconds.floor() as i64))
}

fn check_type(header: &Value) -> Result<(), ServiceTokenError> {
    match header["typ"].as_str() {
        Some(typ) if OTHER_TYPES.iter().any(|other| other.eq_ignore_ascii_case(typ)) => {
            Err(ServiceTokenError::Type(typ.to_owned()))
        }
        _ => Ok(()),
    }
}

fn key_of(
    resolved: Result<Option<Arc<ResolvedDid>>, ResolveError>,
    did: &Did,
    key: &str,
) -> Result<PublicKey, ServiceTokenError> {
    let resolved = resolved.inspect_err(|error| tracing::info!(%error, %did, "whose service token cannot be verified"));
    let resolved = resolved.ok().flatten().ok_or(ServiceTokenError::Unresolved)?;
    resolved.document.signing_key(key).ok_or(ServiceTokenError::KeyMissing)
}

#[cfg(test)]
mod tests;
