//! Repos for tests: a temporary store, a clock that stands still, accounts that need no directory.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use atproto_data::crypto::Curve;
use atproto_data::{Map, SigningKey, Tid, Value};
use atproto_repo::car::CarReader;
use atproto_repo::commit::UnsignedCommit;
use atproto_repo::mst::Tree;
use futures_util::TryStreamExt as _;
use sqlx::Row as _;

use super::skeleton::SkeletonRule;
use super::{PreparedRecord, RecordWrite, RepoError, RepoRef, Repos, WriteAction, Written};
use crate::clock::Clock as _;
use crate::clock::fake::FakeClock;
use crate::identity::KeySealer;
use crate::identity::signing_keys::{self, SigningKeys};
use crate::random::fake::FakeRandom;
use crate::store::StoreError;
use crate::store::testing::TestStore;

const CACHE_BYTES: u64 = 16 << 20;

/// Repos are large from so few records on that tests can have large ones.
pub(super) const TINY: SkeletonRule = SkeletonRule {
    layer: 1,
    from_records: 40,
};
/// Too little for the trees of such repos: each is cut after every write.
const LITTLE_MEMORY: u64 = 64 << 10;

/// Repos and what they stand on.
pub(super) struct TestRepos {
    pub(super) repos: Repos,
    pub(super) test: TestStore,
    pub(super) clock: Arc<FakeClock>,
    sealer: Arc<KeySealer>,
}

impl TestRepos {
    pub(super) async fn open() -> TestRepos {
        TestRepos::open_with(CACHE_BYTES, SkeletonRule::DEFAULT).await
    }

    /// Repos that work with skeletons, as large ones do.
    pub(super) async fn open_tiny() -> TestRepos {
        TestRepos::open_with(LITTLE_MEMORY, TINY).await
    }

    /// Repos whose trees take up to so much memory, and which have skeletons by another rule.
    pub(super) async fn open_with(cache_bytes: u64, rule: SkeletonRule) -> TestRepos {
        let test = TestStore::open().await;
        let clock = Arc::new(FakeClock::new());
        let sealer = Arc::new(KeySealer::from_encryption_key(&[1; 32]));
        sealer.check(&test.store, &FakeRandom::default()).await.unwrap();
        let keys = Arc::new(SigningKeys::new(test.store.clone(), Arc::clone(&sealer)));
        let repos = Repos::with_skeletons(test.store.clone(), keys, Arc::clone(&clock) as _, 7, cache_bytes, rule);
        TestRepos {
            repos,
            test,
            clock,
            sealer,
        }
    }

    /// An active account with an empty repo; its DID and signing key come from one letter.
    pub(super) async fn account(&self, letter: char) -> RepoRef {
        let did: atproto_data::Did = format!("did:plc:{}", String::from(letter).repeat(24)).parse().unwrap();
        let key = signing_key(letter);
        let sealed = self.sealer.seal(&FakeRandom::default(), &did, &key);
        let rev = Tid::from_parts(self.clock.now_micros().unsigned_abs(), 7);
        let commit = UnsignedCommit {
            did: did.clone(),
            data: Tree::empty().root(),
            rev,
        }
        .sign(&key);
        let owner = did.clone();
        let inserted = self.test.store.change(move |tx| {
            Box::pin(async move {
                let repo = sqlx::query(
                    "INSERT INTO repo (commit_cid, rev, commit_data) VALUES ($1, $2, $3) RETURNING repo_id",
                )
                .bind(commit.cid.as_bytes().to_vec())
                .bind(rev.as_u64().cast_signed())
                .bind(commit.bytes)
                .fetch_one(tx.connection());
                let repo_id: i64 = repo.await?.try_get(0)?;
                let account = sqlx::query(
                    "INSERT INTO account (did, handle, email, email_key, repo_id, created_at) \
                     VALUES ($1, $1, $1, $1, $2, 0) RETURNING account_id",
                )
                .bind(owner.as_str())
                .bind(repo_id)
                .fetch_one(tx.connection());
                let account_id: i64 = account.await?.try_get(0)?;
                signing_keys::insert(tx.connection(), &owner, "did:key:zTest", &sealed).await?;
                Ok::<_, StoreError>((account_id, repo_id))
            })
        });
        let (account_id, repo_id) = inserted.await.unwrap();
        RepoRef {
            account_id,
            repo_id,
            did,
        }
    }

    /// One commit of some writes.
    pub(super) async fn write(&self, repo: &RepoRef, writes: Vec<RecordWrite>) -> Result<Written, RepoError> {
        self.repos.write(repo.clone(), writes, None).await
    }

    /// An export and its blocks.
    pub(super) async fn export(&self, repo: &RepoRef, since: Option<Tid>) -> Blocks {
        let pieces = self.repos.export(repo.repo_id, since).await.unwrap();
        let pieces: Vec<bytes::Bytes> = pieces.try_collect().await.unwrap();
        Blocks::read(&pieces.concat())
    }

    pub(super) async fn rev(&self, repo: &RepoRef) -> Tid {
        self.repos.head(repo.repo_id).await.unwrap().unwrap().1
    }
}

/// The key that signs the commits of an account made with this letter.
pub(super) fn signing_key(letter: char) -> SigningKey {
    SigningKey::from_bytes(Curve::K256, &[u8::try_from(letter).unwrap(); 32]).unwrap()
}

/// A CAR taken apart.
pub(super) struct Blocks {
    pub(super) root: atproto_data::Cid,
    pub(super) blocks: std::collections::HashMap<atproto_data::Cid, Vec<u8>>,
}

impl Blocks {
    fn read(bytes: &[u8]) -> Blocks {
        let reader = CarReader::new(bytes).unwrap();
        let root = reader.roots()[0];
        let blocks = reader
            .map(|block| block.map(|block| (block.cid, block.bytes.to_vec())).unwrap())
            .collect();
        Blocks { root, blocks }
    }
}

/// A record whose text is a number.
pub(super) fn record(collection: &str, rkey: &str, number: u32) -> PreparedRecord {
    let mut map = Map::new();
    map.insert("number".to_owned(), Value::Integer(number.into()));
    PreparedRecord::new(&collection.parse().unwrap(), &rkey.parse().unwrap(), map).unwrap()
}

pub(super) fn write(path: &str, action: WriteAction) -> RecordWrite {
    let (collection, rkey) = path.split_once('/').unwrap();
    RecordWrite {
        collection: collection.parse().unwrap(),
        rkey: rkey.parse().unwrap(),
        action,
    }
}

pub(super) fn create(path: &str, number: u32) -> RecordWrite {
    let (collection, rkey) = path.split_once('/').unwrap();
    write(path, WriteAction::Create(record(collection, rkey, number)))
}

/// Creates a record with this text.
pub(super) fn create_text(path: &str, text: &str) -> RecordWrite {
    let (collection, rkey) = path.split_once('/').unwrap();
    let mut map = Map::new();
    map.insert("text".to_owned(), Value::String(text.to_owned()));
    let record = PreparedRecord::new(&collection.parse().unwrap(), &rkey.parse().unwrap(), map).unwrap();
    write(path, WriteAction::Create(record))
}

pub(super) fn put(path: &str, number: u32) -> RecordWrite {
    let (collection, rkey) = path.split_once('/').unwrap();
    let record = record(collection, rkey, number);
    write(
        path,
        WriteAction::Put {
            record,
            swap: super::RecordSwap::Any,
        },
    )
}

pub(super) fn delete(path: &str) -> RecordWrite {
    write(
        path,
        WriteAction::DeleteIfPresent {
            swap: super::RecordSwap::Any,
        },
    )
}
