//! Making the tokens with which this server calls services for its accounts.

use std::sync::Arc;

use atproto_data::{Did, Nsid};

use super::service_auth::service_token;
use super::signing_keys::{SigningKeyError, SigningKeys};
use crate::clock::Clock;
use crate::random::{self, Random};

/// How long a token lives if nothing else is asked for, in seconds.
const LIFETIME: i64 = 60;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Signs service tokens with the accounts' keys.
pub struct ServiceSigner {
    keys: Arc<SigningKeys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl ServiceSigner {
    /// A signer with the keys of the accounts.
    pub fn new(keys: Arc<SigningKeys>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> ServiceSigner {
        ServiceSigner { keys, clock, random }
    }

    /// A token with which the account `iss` calls `lxm` at the service `aud` (a DID, perhaps with `#service`) until `expires`, seconds
    /// since 1970, by default for a minute. `None` if the account has no key here.
    ///
    /// # Errors
    /// If the account's key cannot be had.
    pub async fn token(
        &self,
        iss: &Did,
        aud: &str,
        lxm: Option<&Nsid>,
        expires: Option<i64>,
    ) -> Result<Option<String>, SigningKeyError> {
        let Some(key) = self.keys.signing_key(iss).await? else {
            return Ok(None);
        };
        let now = self.clock.now_micros() / MICROS_PER_SECOND;
        let expires = expires.unwrap_or(now + LIFETIME);
        let id = random::bytes(&*self.random);
        Ok(Some(service_token(&key, iss, aud, lxm, expires, now, id)))
    }
}
