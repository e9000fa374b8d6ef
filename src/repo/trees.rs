//! The bounded cache of repos' trees.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;

use super::LoadedRepo;
use crate::observe::metrics;

/// What an entry costs beside its tree.
const ENTRY_BYTES: usize = 512;

/// Trees, those used longest ago first to go. A lock that is held for a moment costs every write less than a cache made for many cores.
pub(super) struct TreeCache {
    trees: Mutex<Trees>,
    capacity: u64,
}

struct Trees {
    by_repo: LruCache<i64, Entry>,
    bytes: u64,
}

struct Entry {
    repo: Arc<LoadedRepo>,
    bytes: u64,
}

impl TreeCache {
    pub(super) fn new(capacity: u64) -> TreeCache {
        let trees = Trees {
            by_repo: LruCache::new_unbounded(),
            bytes: 0,
        };
        TreeCache {
            trees: Mutex::new(trees),
            capacity,
        }
    }

    pub(super) fn get(&self, repo_id: i64) -> Option<Arc<LoadedRepo>> {
        let found = self.trees().by_repo.get(&repo_id).map(|entry| Arc::clone(&entry.repo));
        metrics::TREE_CACHE_REQUESTS.increment([if found.is_some() { "hit" } else { "miss" }]);
        found
    }

    /// Writes its size into the metrics.
    pub(super) fn measure(&self) {
        metrics::TREE_CACHE_BYTES.set_count([], self.trees().bytes);
        metrics::TREE_CACHE_LIMIT_BYTES.set_count([], self.capacity);
    }

    /// Keeps a tree that a write used, at the cost of those used longest ago.
    pub(super) fn keep(&self, repo_id: i64, repo: Arc<LoadedRepo>) {
        let entry = Entry::new(repo);
        // Dropped when nobody waits for it: a tree can be large.
        let mut gone = Vec::new();
        let mut trees = self.trees();
        gone.extend(trees.remove(repo_id));
        if entry.bytes <= self.capacity {
            while trees.bytes + entry.bytes > self.capacity
                && let Some(oldest) = trees.remove_oldest()
            {
                gone.push(oldest);
            }
            trees.insert(repo_id, entry);
        }
        drop(trees);
    }

    /// Whether a tree takes no more than one repo may: a quarter of the cache.
    pub(super) fn is_within_share(&self, repo: &LoadedRepo) -> bool {
        bytes(repo) <= self.capacity / 4
    }

    /// Keeps a tree that somebody read if nothing has to leave for it: strangers' reads never evict what writers use.
    pub(super) fn keep_if_room(&self, repo_id: i64, repo: Arc<LoadedRepo>) {
        let entry = Entry::new(repo);
        let mut trees = self.trees();
        // An entry that a write put there meanwhile is newer than this one.
        if trees.bytes + entry.bytes <= self.capacity && !trees.by_repo.contains_key(&repo_id) {
            trees.insert(repo_id, entry);
        }
    }

    pub(super) fn remove(&self, repo_id: i64) {
        let gone = self.trees().remove(repo_id);
        drop(gone);
    }

    fn trees(&self) -> MutexGuard<'_, Trees> {
        // Nothing that is done under the lock panics half-way.
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trees {
    /// For a repo that has no entry.
    fn insert(&mut self, repo_id: i64, entry: Entry) {
        self.bytes += entry.bytes;
        self.by_repo.insert(repo_id, entry);
    }

    fn remove(&mut self, repo_id: i64) -> Option<Entry> {
        let entry = self.by_repo.remove(&repo_id)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    fn remove_oldest(&mut self) -> Option<Entry> {
        let (_, entry) = self.by_repo.remove_lru()?;
        self.bytes -= entry.bytes;
        Some(entry)
    }
}

impl Entry {
    fn new(repo: Arc<LoadedRepo>) -> Entry {
        let bytes = bytes(&repo);
        Entry { repo, bytes }
    }
}

fn bytes(repo: &LoadedRepo) -> u64 {
    (repo.tree.heap_bytes() + repo.commit.len() + ENTRY_BYTES) as u64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use atproto_data::{Cid, Tid};
    use atproto_repo::mst::Tree;

    use super::*;

    /// A repo whose entry takes so many bytes.
    fn repo(bytes: usize) -> Arc<LoadedRepo> {
        let tree = Tree::empty();
        let commit = vec![0; bytes - ENTRY_BYTES - tree.heap_bytes()];
        Arc::new(LoadedRepo {
            did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
            active: true,
            commit_cid: Cid::of_dag_cbor(&commit),
            rev: Tid::from_u64(1),
            commit,
            tree,
            is_skeleton_stored: false,
            record_blocks: Arc::default(),
        })
    }

    fn kept(trees: &TreeCache) -> Vec<i64> {
        (1..=9).filter(|id| trees.trees().by_repo.contains_key(id)).collect()
    }

    #[test]
    fn the_oldest_make_room_for_what_writes_use() {
        let trees = TreeCache::new(3_000);
        for id in [1, 2, 3] {
            trees.keep(id, repo(1_000));
        }
        assert!(trees.get(1).is_some());
        trees.keep(4, repo(1_500));
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![1, 4], 2_500));
        trees.keep(1, repo(900));
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![1, 4], 2_400));
        trees.keep(4, repo(3_001));
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![1], 900), "too large");
        trees.keep(2, repo(3_000));
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![2], 3_000));
        trees.remove(2);
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![], 0));
    }

    #[test]
    fn nothing_makes_room_for_what_is_read() {
        let trees = TreeCache::new(3_000);
        trees.keep(1, repo(2_000));
        trees.keep_if_room(2, repo(1_001));
        trees.keep_if_room(1, repo(900));
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![1], 2_000));
        trees.keep_if_room(3, repo(1_000));
        assert_eq!((kept(&trees), trees.trees().bytes), (vec![1, 3], 3_000));
    }
}
