//! The bounded cache of repos' trees.

use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::LoadedRepo;
use crate::observe::metrics;

/// What an entry costs beside its tree.
const ENTRY_BYTES: usize = 512;

pub(super) struct TreeCache {
    repos: Cache<i64, Arc<LoadedRepo>>,
    capacity: u64,
}

impl TreeCache {
    pub(super) fn new(capacity: u64) -> TreeCache {
        let repos = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, repo: &Arc<LoadedRepo>| weight(repo))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        TreeCache { repos, capacity }
    }

    pub(super) fn get(&self, repo_id: i64) -> Option<Arc<LoadedRepo>> {
        let found = self.repos.get(&repo_id);
        metrics::TREE_CACHE_REQUESTS.increment([if found.is_some() { "hit" } else { "miss" }]);
        found
    }

    /// Writes its size into the metrics.
    pub(super) fn measure(&self) {
        // What was put in and taken out since the last time is counted now.
        self.repos.run_pending_tasks();
        metrics::TREE_CACHE_BYTES.set_count([], self.repos.weighted_size());
        metrics::TREE_CACHE_LIMIT_BYTES.set_count([], self.capacity);
    }

    /// Keeps a tree that a write used, at the cost of those used longest ago.
    pub(super) fn keep(&self, repo_id: i64, repo: Arc<LoadedRepo>) {
        self.repos.insert(repo_id, repo);
    }

    /// Whether a tree takes no more than one repo may: a quarter of the cache.
    pub(super) fn is_within_share(&self, repo: &LoadedRepo) -> bool {
        u64::from(weight(repo)) <= self.capacity / 4
    }

    /// Keeps a tree that somebody read if nothing has to leave for it: strangers' reads never evict what writers use.
    pub(super) fn keep_if_room(&self, repo_id: i64, repo: Arc<LoadedRepo>) {
        // What was put in a moment ago counts.
        self.repos.run_pending_tasks();
        if self.repos.weighted_size() + u64::from(weight(&repo)) <= self.capacity {
            // An entry that a write put there meanwhile is newer than this one.
            self.repos.get_with(repo_id, || repo);
        }
    }

    pub(super) fn remove(&self, repo_id: i64) {
        self.repos.invalidate(&repo_id);
    }
}

fn weight(repo: &LoadedRepo) -> u32 {
    u32::try_from(repo.tree.heap_bytes() + repo.commit.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
}
