//! Making the tokens with which this server calls services for its accounts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use atproto_data::{Did, Nsid, SigningKey};
use moka::sync::Cache;

use super::service_auth::service_token;
use super::signing_keys::{SigningKeyError, SigningKeys};
use crate::clock::Clock;
use crate::random::{self, Random};

/// How long a token lives if nothing else is asked for, in seconds.
const LIFETIME: i64 = 60;
/// How old a token may be that is sent again, in seconds: half its life is left for the way and for clocks that differ.
const REPEATED_FOR: i64 = 30;
/// How long none is sent again after a service has refused one that it had seen, in seconds: it may have had another reason.
const FRESH_FOR: i64 = 600;
/// Tokens that are kept for that, some 600 bytes each.
const KEPT_TOKENS: u64 = 4_096;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Signs service tokens with the accounts' keys.
pub struct ServiceSigner {
    keys: Arc<SigningKeys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// By issuer and method.
    kept: Cache<(Did, Nsid), Kept>,
    /// Until then every token is a fresh one, in seconds since 1970.
    fresh_until: AtomicI64,
}

/// A service token on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceToken {
    /// Nobody has seen it.
    Fresh(Arc<str>),
    /// It has been sent before.
    Repeated(Arc<str>),
}

/// A token that may be sent again.
#[derive(Clone)]
struct Kept {
    token: Arc<str>,
    aud: Did,
    issued: i64,
    /// The key that signed it: an account's key may change.
    key: Arc<SigningKey>,
}

impl ServiceSigner {
    /// A signer with the keys of the accounts.
    pub fn new(keys: Arc<SigningKeys>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> ServiceSigner {
        ServiceSigner {
            keys,
            clock,
            random,
            kept: Cache::new(KEPT_TOKENS),
            fresh_until: AtomicI64::new(0),
        }
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
        let now = self.now();
        Ok(Some(self.sign(
            &key,
            iss,
            aud,
            lxm,
            expires.unwrap_or(now + LIFETIME),
            now,
        )))
    }

    /// A token for a query that may come again: the one of a moment ago if there is one, because a signature takes as long as all else
    /// that is done to pass a query on. Not for services that take a token once only. `None` if the account has no key here.
    ///
    /// # Errors
    /// If the account's key cannot be had.
    pub async fn repeatable_token(
        &self,
        iss: &Did,
        aud: &Did,
        lxm: &Nsid,
    ) -> Result<Option<ServiceToken>, SigningKeyError> {
        let Some(key) = self.keys.signing_key(iss).await? else {
            return Ok(None);
        };
        let (now, name) = (self.now(), (iss.clone(), lxm.clone()));
        let is_good = |kept: &Kept| {
            let is_young = (kept.issued..kept.issued + REPEATED_FOR).contains(&now);
            is_young && kept.aud == *aud && Arc::ptr_eq(&kept.key, &key)
        };
        if now >= self.fresh_until.load(Ordering::Relaxed)
            && let Some(kept) = self.kept.get(&name).filter(is_good)
        {
            return Ok(Some(ServiceToken::Repeated(kept.token)));
        }
        let token: Arc<str> = self
            .sign(&key, iss, aud.as_str(), Some(lxm), now + LIFETIME, now)
            .into();
        let kept = Kept {
            token: Arc::clone(&token),
            aud: aud.clone(),
            issued: now,
            key,
        };
        self.kept.insert(name, kept);
        Ok(Some(ServiceToken::Fresh(token)))
    }

    /// For some minutes every token is a fresh one: a service has refused one that it had seen.
    pub fn repeat_no_token(&self) {
        tracing::info!(
            seconds = FRESH_FOR,
            "the AppView refused a token that it had seen: for a while each call has its own"
        );
        self.fresh_until.store(self.now() + FRESH_FOR, Ordering::Relaxed);
        self.kept.invalidate_all();
    }

    fn sign(&self, key: &SigningKey, iss: &Did, aud: &str, lxm: Option<&Nsid>, expires: i64, now: i64) -> String {
        service_token(key, iss, aud, lxm, expires, now, random::bytes(&*self.random))
    }

    fn now(&self) -> i64 {
        self.clock.now_micros() / MICROS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use atproto_data::crypto::Curve;
    use atproto_data::jws;

    use super::*;
    use crate::clock::fake::FakeClock;
    use crate::identity::sealing::KeySealer;
    use crate::identity::signing_keys;
    use crate::random::fake::FakeRandom;
    use crate::store::testing::TestStore;

    struct Test {
        store: TestStore,
        sealer: Arc<KeySealer>,
        keys: Arc<SigningKeys>,
        clock: Arc<FakeClock>,
        signer: ServiceSigner,
        alice: Did,
    }

    impl Test {
        async fn start() -> Test {
            let store = TestStore::open().await;
            let sealer = Arc::new(KeySealer::from_encryption_key(&[1; 32]));
            let random = Arc::new(FakeRandom::default());
            sealer.check(&store.store, &*random).await.unwrap();
            let keys = Arc::new(SigningKeys::new(store.store.clone(), Arc::clone(&sealer)));
            let clock = Arc::new(FakeClock::new());
            let signer = ServiceSigner::new(Arc::clone(&keys), clock.clone(), random);
            let alice = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
            let test = Test {
                store,
                sealer,
                keys,
                clock,
                signer,
                alice,
            };
            test.key(7, Stored::First).await;
            test
        }

        /// Gives alice another key.
        async fn key(&self, number: u8, stored: Stored) {
            let key = SigningKey::from_bytes(Curve::K256, &[number; 32]).unwrap();
            let sealed = self.sealer.seal(&FakeRandom::default(), &self.alice, &key);
            let did = self.alice.clone();
            let change = self.store.store.change(move |tx| {
                Box::pin(async move {
                    match stored {
                        Stored::First => signing_keys::insert(tx.connection(), &did, "did:key:zA", &sealed).await,
                        Stored::Next => signing_keys::replace(tx.connection(), &did, "did:key:zB", &sealed).await,
                    }
                })
            });
            change.await.unwrap();
            self.keys.forget(&self.alice).await;
        }

        async fn token(&self, lxm: &str) -> ServiceToken {
            let (aud, lxm) = ("did:web:api.example.com".parse().unwrap(), lxm.parse().unwrap());
            let token = self.signer.repeatable_token(&self.alice, &aud, &lxm).await;
            token.unwrap().unwrap()
        }

        async fn fresh(&self) -> Arc<str> {
            match self.token(TIMELINE).await {
                ServiceToken::Fresh(token) => token,
                ServiceToken::Repeated(_) => unreachable!("a token that was sent before"),
            }
        }
    }

    enum Stored {
        First,
        Next,
    }

    const TIMELINE: &str = "app.bsky.feed.getTimeline";

    #[tokio::test]
    async fn a_token_is_repeated_for_its_method_until_half_its_life_is_over() {
        let test = Test::start().await;
        let first = test.fresh().await;
        let claims = jws::parse(&first).unwrap().claims;
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            LIFETIME
        );
        test.clock.advance(Duration::from_secs(29));
        assert_eq!(test.token(TIMELINE).await, ServiceToken::Repeated(Arc::clone(&first)));
        assert!(matches!(
            test.token("app.bsky.feed.getFeedGenerators").await,
            ServiceToken::Fresh(_)
        ));
        test.clock.advance(Duration::from_secs(1));
        assert_ne!(test.fresh().await, first);
    }

    #[tokio::test]
    async fn no_token_outlives_its_key() {
        let test = Test::start().await;
        test.fresh().await;
        test.key(8, Stored::Next).await;
        let token = jws::parse(&test.fresh().await).unwrap();
        let key = SigningKey::from_bytes(Curve::K256, &[8; 32]).unwrap();
        assert_eq!(token.verify(&key.public_key()), Ok(()));
    }

    #[tokio::test]
    async fn nothing_is_repeated_where_a_service_takes_each_token_once() {
        let test = Test::start().await;
        let first = test.fresh().await;
        test.signer.repeat_no_token();
        assert_ne!(test.fresh().await, test.fresh().await);
        assert_ne!(test.fresh().await, first);
        test.clock.advance(Duration::from_mins(10));
        let later = test.fresh().await;
        assert_eq!(test.token(TIMELINE).await, ServiceToken::Repeated(later));
    }
}
