//! Service tokens that are good once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

/// The most tokens that are remembered; beyond, those go whose time ends first. Only calls that succeed leave one behind.
const MAX_TOKENS: usize = 100_000;

/// When a token's time ends, seconds since 1970, and the hash of who made it and its id.
type Key = (i64, [u8; 32]);

/// Tokens that were spent, and those of calls under way, until their time is over. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct SpentTokens(Arc<Mutex<BTreeSet<Key>>>);

/// The one use of a token by a call under way. Dropped, it leaves the token good for another call.
#[derive(Debug)]
pub struct TokenUse {
    key: Option<Key>,
    tokens: SpentTokens,
}

impl SpentTokens {
    /// Takes the one use of a token, at `now` in seconds since 1970. `None` if it was spent or is in use.
    pub(super) fn hold(&self, issuer: &str, id: &str, expires: i64, now: i64) -> Option<TokenUse> {
        let mut hash = Sha256::new();
        hash.update(issuer);
        hash.update([0]);
        hash.update(id);
        let key = (expires, hash.finalize().into());
        let mut tokens = self.lock();
        *tokens = tokens.split_off(&(now, [0; 32]));
        if tokens.len() >= MAX_TOKENS {
            tokens.pop_first();
        }
        tokens.insert(key).then(|| TokenUse {
            key: Some(key),
            tokens: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenUse {
    /// The call succeeded: the token is good for nothing any more.
    pub fn spend(mut self) {
        self.key = None;
    }
}

impl Drop for TokenUse {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.tokens.lock().remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_token_is_spent_once_and_only_by_success() {
        let tokens = SpentTokens::default();
        let held = tokens.hold("did:web:a.test", "1", 160, 100).unwrap();
        assert!(tokens.hold("did:web:a.test", "1", 160, 100).is_none(), "in use");
        drop(held);
        tokens.hold("did:web:a.test", "1", 160, 100).unwrap().spend();
        assert!(tokens.hold("did:web:a.test", "1", 160, 160).is_none(), "spent");
        assert!(tokens.hold("did:web:b.test", "1", 160, 100).is_some());
        assert!(tokens.hold("did:web:a.test", "2", 160, 100).is_some());
    }

    #[test]
    fn what_is_over_is_forgotten_and_the_rest_is_bounded() {
        let tokens = SpentTokens::default();
        for id in 0..=i64::try_from(MAX_TOKENS).unwrap() {
            tokens
                .hold("did:web:a.test", &id.to_string(), 1_000 + id, 0)
                .unwrap()
                .spend();
        }
        assert_eq!(tokens.lock().len(), MAX_TOKENS);
        tokens
            .hold("did:web:a.test", "later", 10_000_000, 1_000_000)
            .unwrap()
            .spend();
        assert_eq!(tokens.lock().len(), 1);
    }
}
