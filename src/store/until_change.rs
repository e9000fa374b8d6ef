//! Caches of what was read of accounts, valid until accounts change.
//!
//! Everything but records is written by [`Store::change`], which counts. What was read before the last change is read again: who is shut out,
//! logged out or renamed is so from the moment that this is acknowledged, whatever a cache holds.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use super::Store;

/// How many groups of changes have run, whatever became of them.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeCount(Arc<AtomicU64>);

impl ChangeCount {
    /// Called after the transaction and before its changes are acknowledged.
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn now(&self) -> AsOf {
        AsOf(self.0.load(Ordering::Acquire))
    }
}

/// Before which changes something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf(u64);

/// A bounded cache of things that only changes of accounts can change.
pub struct UntilChange<K, V> {
    kept: Cache<K, (AsOf, V)>,
    changes: ChangeCount,
}

impl Store {
    /// A cache of at most so many entries.
    pub fn until_change<K, V>(&self, entries: u64) -> UntilChange<K, V>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        UntilChange {
            kept: Cache::new(entries),
            changes: self.changes.clone(),
        }
    }
}

impl<K, V> UntilChange<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// To be asked before reading what is kept afterwards.
    pub fn as_of(&self) -> AsOf {
        self.changes.now()
    }

    /// What is kept, if nothing has changed since it was read.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.changes.now();
        self.kept
            .get(key)
            .filter(|(as_of, _)| *as_of == now)
            .map(|(_, value)| value)
    }

    /// Keeps what was read after `as_of` was asked for.
    pub fn keep(&self, key: K, as_of: AsOf, value: V) {
        self.kept.insert(key, (as_of, value));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::store::StoreError;
    use crate::store::testing::TestStore;

    #[tokio::test]
    async fn nothing_outlives_a_change() {
        let test = TestStore::open().await;
        let cache = test.store.until_change::<String, u8>(10);
        cache.keep("a".to_owned(), cache.as_of(), 1);
        assert_eq!(cache.get("a"), Some(1));
        let before = cache.as_of();
        let change = test.store.change(|_| Box::pin(async { Ok::<_, StoreError>(()) }));
        change.await.unwrap();
        assert_eq!(cache.get("a"), None);
        // Read before the change, kept after it.
        cache.keep("b".to_owned(), before, 2);
        assert_eq!(cache.get("b"), None);
        cache.keep("b".to_owned(), cache.as_of(), 3);
        assert_eq!(cache.get("b"), Some(3));
    }

    #[tokio::test]
    async fn nothing_outlives_a_change_that_fails() {
        let test = TestStore::open().await;
        let cache = test.store.until_change::<String, u8>(10);
        cache.keep("a".to_owned(), cache.as_of(), 1);
        let change = test
            .store
            .change(|_| Box::pin(async { Err::<(), _>(StoreError::CLOSED) }));
        change.await.unwrap_err();
        assert_eq!(cache.get("a"), None);
    }
}
