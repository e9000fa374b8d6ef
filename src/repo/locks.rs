//! One lock per repo: the writes of a repo follow each other, those of different repos do not wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type RepoLock = Arc<tokio::sync::Mutex<()>>;

/// Locks that somebody holds or waits for.
#[derive(Default)]
pub(super) struct Locks(Arc<Mutex<HashMap<i64, RepoLock>>>);

/// A held lock.
pub(super) struct RepoGuard {
    repo_id: i64,
    locks: Arc<Mutex<HashMap<i64, RepoLock>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    pub(super) async fn lock(&self, repo_id: i64) -> RepoGuard {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(repo_id).or_default())
        };
        let guard = lock.lock_owned().await;
        RepoGuard {
            repo_id,
            locks: Arc::clone(&self.0),
            guard: Some(guard),
        }
    }
}

impl Drop for RepoGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard.take();
        // One reference is the map's: nobody else holds it or waits for it.
        if locks
            .get(&self.repo_id)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.repo_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Locks;

    #[tokio::test]
    async fn a_repo_is_locked_once_and_forgotten_when_free() {
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
