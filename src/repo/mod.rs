//! Repos: reading records, the write path, the tree cache and exports.
//!
//! Records are the truth, the MST is derived: the `record` table in key order gives the tree, which lives in a bounded cache and has to
//! give the `data` CID that the signed head names (docs/adr/0001-one-transaction-derived-mst.md).

mod blob_changes;
mod blob_refs;
mod collections;
mod difference;
mod error;
mod export;
mod gaps;
mod import;
mod load;
mod net_changes;
mod operations;
mod proof;
mod purge;
mod read;
mod recent;
mod record;
mod size;
mod skeleton;
#[cfg(test)]
mod skeleton_tests;
mod status;
mod subject_link;
mod takedown;
mod trees;
mod unsent;
mod write;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atproto_data::{Did, Tid};

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::identity::signing_keys::SigningKeys;
use crate::locks::{LockGuard, Locks};
use crate::observe::metrics;
use crate::store::Store;

pub use collections::CollectionRepo;
pub use error::{RecordError, RepoError};
pub use import::{Import, ImportError};
pub use load::LoadedRepo;
pub use read::{ListQuery, RecordView};
pub use recent::RecentRecord;
pub use record::{PreparedRecord, RecordSwap, RecordWrite, WriteAction};
pub use status::{ListedRepo, RepoStatus};
pub use takedown::ModeratedRecord;
pub use unsent::Export;
pub use write::{CommitInfo, Written};

use import::Imports;
use skeleton::SkeletonRule;
use trees::TreeCache;
use unsent::Unsent;

/// Bits of a TID that name the clock: our share of them is drawn once per process.
const CLOCK_IDS: u16 = 32;

/// Trees, or parts of them, that are derived at a time for readers.
const COLD_READS: usize = 2;

/// Exports that run at a time.
const EXPORTS: usize = 2;
/// Exports that wait, run or are on their way; beyond, clients are asked to come back.
const EXPORT_QUEUE: usize = 128;

/// Which repo, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoRef {
    /// The account.
    pub account_id: i64,
    /// Its repo.
    pub repo_id: i64,
    /// Its DID.
    pub did: Did,
}

/// All repos of this server. Cheap to clone.
#[derive(Clone)]
pub struct Repos(Arc<Inner>);

struct Inner {
    store: Store,
    keys: Arc<SigningKeys>,
    clock: Arc<dyn Clock>,
    clock_id: u16,
    /// µs since 1970 of the rkey given out last.
    last_rkey: AtomicU64,
    trees: TreeCache,
    locks: Locks<i64>,
    /// Bounds what readers of cold repos may cost the writers.
    cold_reads: Arc<Semaphore>,
    skeleton_rule: SkeletonRule,
    /// Bounds the snapshots that are open for exports.
    exports: Arc<Semaphore>,
    /// Bounds how many exports there are.
    export_queue: Arc<Semaphore>,
    unsent: Unsent,
    imports: Imports,
    /// Repos that were quarantined when they were loaded last.
    quarantined: Mutex<BTreeSet<i64>>,
}

impl Repos {
    /// The repos in a store. Trees take up to `cache_bytes` of memory (`PDS_REPO_CACHE_BYTES`); `random` chooses the clock id of our TIDs.
    pub fn new(store: Store, keys: Arc<SigningKeys>, clock: Arc<dyn Clock>, random: u16, cache_bytes: u64) -> Repos {
        Repos::with_skeletons(store, keys, clock, random, cache_bytes, SkeletonRule::DEFAULT)
    }

    fn with_skeletons(
        store: Store,
        keys: Arc<SigningKeys>,
        clock: Arc<dyn Clock>,
        random: u16,
        cache_bytes: u64,
        skeleton_rule: SkeletonRule,
    ) -> Repos {
        let trees = TreeCache::new(cache_bytes);
        Repos(Arc::new(Inner {
            store,
            keys,
            clock,
            clock_id: random % CLOCK_IDS,
            last_rkey: AtomicU64::new(0),
            trees,
            locks: Locks::default(),
            cold_reads: Arc::new(Semaphore::new(COLD_READS)),
            skeleton_rule,
            exports: Arc::new(Semaphore::new(EXPORTS)),
            export_queue: Arc::new(Semaphore::new(EXPORT_QUEUE)),
            unsent: Unsent::new(),
            quarantined: Mutex::default(),
            imports: Imports::new(),
        }))
    }

    /// A new rkey: a TID of now, made strictly increasing so that each of many records in one microsecond has its own.
    pub fn next_rkey(&self) -> Tid {
        let now = self.0.clock.now_micros().unsigned_abs();
        let next = |last: u64| now.max(last + 1);
        let last = self
            .0
            .last_rkey
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let (Ok(last) | Err(last)) = last;
        Tid::from_parts(next(last), self.0.clock_id)
    }

    /// A rev after `previous`, whatever the clock does.
    fn next_rev(&self, previous: Tid) -> Tid {
        let now = Tid::from_parts(self.0.clock.now_micros().unsigned_abs(), self.0.clock_id);
        if now.as_u64() > previous.as_u64() {
            now
        } else {
            Tid::from_parts(previous.micros() + 1, self.0.clock_id)
        }
    }

    /// Runs a change of an account's status or head that does not go through the write path: under the lock of the repo that the account
    /// has, to its end even if the caller goes away, and with nothing of the repo cached afterwards.
    ///
    /// # Errors
    /// [`RepoError::NotFound`] if the account is gone: nothing was done then. [`RepoError::Aborted`] if the work panicked.
    pub async fn exclusively<T, F>(&self, account_id: i64, work: F) -> Result<T, RepoError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let repos = self.clone();
        let task = tokio::spawn(async move {
            let (repo_id, _lock) = repos.lock_attached(account_id).await?;
            // Also if the work panics.
            let _forget = Forget(&repos, repo_id);
            Ok(work.await)
        });
        task.await.map_err(|_| RepoError::Aborted)?
    }

    /// Locks the repo that an account has: imports may give it another one while this waits.
    async fn lock_attached(&self, account_id: i64) -> Result<(i64, LockGuard<i64>), RepoError> {
        loop {
            let repo_id = self.attached_to(account_id).await?.ok_or(RepoError::NotFound)?;
            let lock = self.0.locks.lock(repo_id).await;
            if self.attached_to(account_id).await? == Some(repo_id) {
                return Ok((repo_id, lock));
            }
        }
    }

    /// Where unnamed temporary files are made.
    fn temporary_directory(&self) -> std::path::PathBuf {
        self.0.store.data_directory().join("tmp")
    }

    /// Drops an account's signing key from memory, because it changed or the account is gone.
    pub async fn forget_signing_key(&self, did: &Did) {
        self.0.keys.forget(did).await;
    }

    /// Writes what is known without asking the database into the metrics.
    pub fn measure(&self) {
        self.0.trees.measure();
        metrics::REPOS_QUARANTINED.set_count([], self.quarantined().len() as u64);
    }

    /// Takes note of a repo that was found damaged while it was read.
    fn quarantine<T>(&self, repo_id: i64, read: Result<T, RepoError>) -> Result<T, RepoError> {
        if let Err(RepoError::Quarantined { .. }) = &read {
            self.quarantined().insert(repo_id);
            self.forget(repo_id);
        }
        read
    }

    fn quarantined(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.0.quarantined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is cached of a repo.
    fn forget(&self, repo_id: i64) {
        self.0.trees.remove(repo_id);
    }
}

#[cfg(test)]
mod testing;

/// Drops what is cached of a repo when it goes out of scope.
struct Forget<'r>(&'r Repos, i64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::testing::{TestRepos, create};
    use crate::clock::Clock as _;

    #[tokio::test]
    async fn revs_and_rkeys_rise_though_the_clock_goes_back() {
        let test = TestRepos::open().await;
        let account = test.account('a').await;
        let mut before = (test.rev(&account).await, test.repos.next_rkey());
        for (number, back) in [0, 3_600, 0, 60].into_iter().enumerate() {
            test.clock.set_back(Duration::from_secs(back));
            let path = format!("com.example.note/{number}");
            test.write(&account, vec![create(&path, 1)]).await.unwrap();
            let now = (test.rev(&account).await, test.repos.next_rkey());
            assert!(now.0 > before.0 && now.1 > before.1, "{now:?} after {before:?}");
            before = now;
        }
        test.clock.advance(Duration::from_hours(2));
        test.write(&account, vec![create("com.example.note/new", 1)])
            .await
            .unwrap();
        let now = test.clock.now_micros().unsigned_abs();
        assert_eq!(
            test.rev(&account).await.micros(),
            now,
            "the clock counts again once it is ahead"
        );
    }

    #[tokio::test]
    async fn rkeys_differ_while_the_clock_stands_still() {
        let test = TestRepos::open().await;
        let rkeys: BTreeSet<_> = (0..200).map(|_| test.repos.next_rkey().as_u64()).collect();
        assert_eq!(rkeys.len(), 200);
    }
}
