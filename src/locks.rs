//! One lock per key, such as a repo: work on the same one follows each other, work on different ones does not wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Held<K> = Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>;

/// Locks that somebody holds or waits for.
pub(crate) struct Locks<K>(Held<K>);

/// A held lock.
pub(crate) struct LockGuard<K: Eq + Hash> {
    key: K,
    locks: Held<K>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Locks(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> Locks<K> {
    pub(crate) async fn lock(&self, key: K) -> LockGuard<K> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        let guard = lock.lock_owned().await;
        LockGuard {
            key,
            locks: Arc::clone(&self.0),
            guard: Some(guard),
        }
    }
}

impl<K: Eq + Hash> Drop for LockGuard<K> {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard.take();
        // One reference is the map's: nobody else holds it or waits for it.
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Locks;

    #[tokio::test]
    async fn a_key_is_locked_once_and_forgotten_when_free() {
        let locks = Locks::default();
        let first = locks.lock(1).await;
        let other = locks.lock(2).await;
        assert!(
            tokio::time::timeout(std::time::Duration::ZERO, locks.lock(1))
                .await
                .is_err(),
            "held"
        );
        drop((first, other));
        drop(locks.lock(1).await);
        assert_eq!(locks.0.lock().map_or(usize::MAX, |map| map.len()), 0);
    }
}
