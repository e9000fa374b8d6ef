//! A blob's life against a real database and real files.

#![expect(clippy::unwrap_used, reason = "tests")]

mod listing;
mod strays;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use atproto_data::{Cid, Did};

use super::rows::{self, State};
use super::*;
use crate::clock::fake::FakeClock;
use crate::store::testing::TestStore;
use crate::store::{BlobChanges, BlobRefRow, CommitWrite, StoreError, SubjectLinks};

const ALICE: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const BOB: &str = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb";

struct Test {
    blobs: Blobs,
    store: TestStore,
    clock: Arc<FakeClock>,
    directory: tempfile::TempDir,
}

impl Test {
    /// With two accounts, of which the one has repo 1 and the other repo 2.
    async fn start() -> Test {
        let (store, clock) = (TestStore::open().await, Arc::new(FakeClock::new()));
        let directory = tempfile::tempdir().unwrap();
        let test = Test {
            blobs: open(&store, &clock, directory.path()),
            store,
            clock,
            directory,
        };
        for (id, did) in [(1, ALICE), (2, BOB)] {
            test.execute(format!(
                "INSERT INTO repo (repo_id, commit_cid, rev, commit_data) VALUES ({id}, x'', 0, x''); \
                 INSERT INTO account (account_id, did, handle, email, email_key, repo_id, created_at) \
                 VALUES ({id}, '{did}', '{id}', '{id}', '{id}', {id}, 0)"
            ))
            .await;
        }
        test
    }

    /// As after a crash.
    fn start_again(&mut self) {
        self.blobs = open(&self.store, &self.clock, self.directory.path());
    }

    async fn execute(&self, sql: String) {
        let done = self.store.store.change(move |tx| {
            Box::pin(async move {
                let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
                sql.execute(tx.connection()).await.map(drop).map_err(StoreError::from)
            })
        });
        done.await.unwrap();
    }

    async fn upload(&self, did: &str, bytes: &[u8]) -> Result<UploadedBlob, UploadError> {
        let mut upload = self.blobs.upload(&did.parse().unwrap())?;
        for chunk in bytes.chunks(100_000) {
            upload.write(chunk).await?;
        }
        upload.finish("Text/Plain").await
    }

    /// A commit of Alice's that changes nothing but references.
    async fn commit(&self, added: &[(&str, Cid)], removed: &[(&str, Cid)]) -> Result<(), StoreError> {
        let rows = |rows: &[(&str, Cid)]| {
            rows.iter()
                .map(|(path, cid)| BlobRefRow {
                    path: (*path).to_owned(),
                    cid: *cid,
                })
                .collect()
        };
        let write = CommitWrite {
            account_id: 1,
            repo_id: 1,
            commit_cid: Cid::of_dag_cbor(b"commit"),
            rev: 1,
            commit: b"commit".to_vec(),
            puts: Vec::new(),
            deletes: Vec::new(),
            subject_links: SubjectLinks::default(),
            collections_begun: Vec::new(),
            collections_ended: Vec::new(),
            skeleton: crate::store::SkeletonWrite::default(),
            blobs: BlobChanges {
                added: rows(added),
                removed: rows(removed),
            },
            event: None,
        };
        self.store.store.commit(write).await
    }

    async fn state(&self, did: &str, cid: Cid) -> Option<State> {
        let row = rows::find(&self.store.store, &did.parse().unwrap(), &cid)
            .await
            .unwrap();
        row.map(|row| row.state)
    }

    async fn served(&self, did: &str, cid: Cid) -> Option<Vec<u8>> {
        let did: Did = did.parse().unwrap();
        let info = self.blobs.find(&did, &cid).await.unwrap()?;
        match self.blobs.content(&did, &cid, &info, 0, info.size).await.unwrap()? {
            BlobContent::Memory(bytes) => Some(bytes),
            BlobContent::Stream(chunks) => {
                let chunks: Vec<_> = futures_util::TryStreamExt::try_collect(chunks).await.unwrap();
                Some(chunks.concat())
            }
        }
    }

    fn files(&self) -> usize {
        files(self.directory.path()).len()
    }
}

fn open(store: &TestStore, clock: &Arc<FakeClock>, directory: &Path) -> Blobs {
    let settings = BlobSettings::Disk {
        location: directory.join("blocks"),
        temporary_location: directory.join("tempt"),
    };
    Blobs::open(store.store.clone(), &settings, clock.clone(), Arc::default()).unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn an_upload_is_temporary_until_a_record_refers_to_it() {
    let test = Test::start().await;
    let bytes = b"hello".repeat(200_000);
    let blob = test.upload(ALICE, &bytes).await.unwrap();
    assert_eq!(
        (blob.cid, blob.size, blob.mime_type.as_str()),
        (Cid::of_raw(&bytes), 1_000_000, "text/plain")
    );
    assert_eq!(test.state(ALICE, blob.cid).await, Some(State::Temporary));
    assert_eq!(test.served(ALICE, blob.cid).await, None);
    test.commit(&[("a.b.c/1", blob.cid)], &[]).await.unwrap();
    assert_eq!(test.served(ALICE, blob.cid).await, Some(bytes));
    assert_eq!(test.served(BOB, blob.cid).await, None);
    assert_eq!(test.files(), 1);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let test = Test::start().await;
    let blob = test.upload(ALICE, b"").await.unwrap();
    test.commit(&[("a.b.c/1", blob.cid)], &[]).await.unwrap();
    assert_eq!((blob.size, test.served(ALICE, blob.cid).await), (0, Some(Vec::new())));
}

#[tokio::test]
async fn uploads_that_nobody_uses_are_removed_after_six_hours() {
    let test = Test::start().await;
    let first = test.upload(ALICE, b"first").await.unwrap();
    test.clock.advance(Duration::from_hours(4));
    let second = test.upload(ALICE, b"second").await.unwrap();
    test.upload(BOB, b"second").await.unwrap();
    test.clock.advance(Duration::from_hours(2));
    assert_eq!(test.blobs.collect().await.unwrap(), 0, "not a moment earlier");
    test.clock.advance(Duration::from_secs(1));
    assert_eq!(test.blobs.collect().await.unwrap(), 1);
    assert_eq!((test.state(ALICE, first.cid).await, test.files()), (None, 2));
    // Uploaded once more, it is as new.
    test.upload(ALICE, b"second").await.unwrap();
    test.clock.advance(Duration::from_hours(5));
    assert_eq!(test.blobs.collect().await.unwrap(), 1, "Bob's");
    assert_eq!(test.state(ALICE, second.cid).await, Some(State::Temporary));
}

#[tokio::test]
async fn a_clock_that_is_set_back_removes_no_upload_early() {
    let test = Test::start().await;
    let first = test.upload(ALICE, b"first").await.unwrap().cid;
    test.clock.set_back(Duration::from_hours(24));
    let second = test.upload(ALICE, b"second").await.unwrap().cid;
    assert_eq!(test.blobs.collect().await.unwrap(), 0);
    test.clock.advance(Duration::from_hours(7));
    assert_eq!(
        test.blobs.collect().await.unwrap(),
        1,
        "the one whose time is over by this clock"
    );
    assert_eq!(
        (test.state(ALICE, first).await, test.state(ALICE, second).await),
        (Some(State::Temporary), None)
    );
    test.clock.advance(Duration::from_hours(24));
    assert_eq!(test.blobs.collect().await.unwrap(), 1, "and the other a day later");
}

#[tokio::test]
async fn an_account_has_a_share_of_the_uploads_under_way() {
    let test = Test::start().await;
    let begin = |did: &str| test.blobs.upload(&did.parse().unwrap());
    let mut held: Vec<_> = (0..upload::UPLOADS.one).map(|_| begin(ALICE).unwrap()).collect();
    assert!(matches!(begin(ALICE), Err(UploadError::TooManyAtOnce)));
    held.push(begin(BOB).unwrap());
    held.swap_remove(0).finish("text/plain").await.unwrap();
    held.push(begin(ALICE).unwrap());
    assert!(matches!(begin(ALICE), Err(UploadError::TooManyAtOnce)));
}

#[tokio::test]
async fn a_blob_goes_with_its_last_reference() {
    let test = Test::start().await;
    let cid = test.upload(ALICE, b"shared").await.unwrap().cid;
    test.upload(BOB, b"shared").await.unwrap();
    test.commit(&[("a.b.c/1", cid), ("a.b.c/2", cid)], &[]).await.unwrap();
    test.commit(&[], &[("a.b.c/1", cid)]).await.unwrap();
    assert_eq!(test.state(ALICE, cid).await, Some(State::Permanent));
    // Moved from one record to another in one commit, it stays too.
    test.commit(&[("a.b.c/3", cid)], &[("a.b.c/2", cid)]).await.unwrap();
    assert_eq!(test.state(ALICE, cid).await, Some(State::Permanent));
    test.commit(&[], &[("a.b.c/3", cid)]).await.unwrap();
    assert_eq!(test.served(ALICE, cid).await, None, "at once");
    assert_eq!(test.files(), 2);
    assert!(matches!(
        test.commit(&[("a.b.c/4", cid)], &[]).await,
        Err(StoreError::BlobGone)
    ));
    assert_eq!(
        test.store.integer("SELECT count(*) FROM blob_ref").await,
        0,
        "nothing of it is stored"
    );
    assert_eq!(test.blobs.collect().await.unwrap(), 1);
    assert_eq!(
        (test.state(ALICE, cid).await, test.files()),
        (None, 1),
        "Bob's is another"
    );
    assert_eq!(test.state(BOB, cid).await, Some(State::Temporary));
}

#[tokio::test]
async fn an_upload_revives_what_is_being_deleted() {
    let test = Test::start().await;
    let cid = test.upload(ALICE, b"back").await.unwrap().cid;
    test.commit(&[("a.b.c/1", cid)], &[]).await.unwrap();
    test.commit(&[], &[("a.b.c/1", cid)]).await.unwrap();
    test.upload(ALICE, b"back").await.unwrap();
    assert_eq!(test.blobs.collect().await.unwrap(), 0);
    test.commit(&[("a.b.c/1", cid)], &[]).await.unwrap();
    assert_eq!(test.served(ALICE, cid).await, Some(b"back".to_vec()));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let test = Test::start().await;
    let mut upload = test.blobs.upload(&ALICE.parse().unwrap()).unwrap();
    upload.write(&vec![7; 1 << 20]).await.unwrap();
    assert_eq!(test.files(), 1);
    drop(upload);
    assert_eq!(test.files(), 0);
    assert_eq!(test.store.integer("SELECT count(*) FROM blob").await, 0);
}

#[tokio::test]
async fn what_records_refer_to_before_it_is_uploaded_is_missing_and_then_permanent() {
    let test = Test::start().await;
    let cid = Cid::of_raw(b"late");
    test.execute(format!(
        "INSERT INTO blob_ref (repo_id, cid, path) VALUES (1, x'{}', 'a.b.c/2'), (1, x'{0}', 'a.b.c/1')",
        hex(&cid)
    ))
    .await;
    let did: Did = ALICE.parse().unwrap();
    let missing = test.blobs.missing(&did, 1, None, 10).await.unwrap();
    assert_eq!(
        missing.blobs,
        [MissingBlob {
            cid,
            path: "a.b.c/1".to_owned()
        }]
    );
    assert_eq!(test.blobs.missing(&did, 1, Some(cid), 10).await.unwrap().blobs, []);
    assert_eq!(test.blobs.list(1, None, None, 10).await.unwrap().blobs, [cid]);
    assert_eq!(
        test.blobs.counts(&did, 1).await.unwrap(),
        BlobCounts {
            expected: 1,
            imported: 0
        }
    );
    test.upload(ALICE, b"late").await.unwrap();
    assert_eq!(test.served(ALICE, cid).await, Some(b"late".to_vec()));
    assert_eq!(test.blobs.missing(&did, 1, None, 10).await.unwrap().blobs, []);
    assert_eq!(
        test.blobs.counts(&did, 1).await.unwrap(),
        BlobCounts {
            expected: 1,
            imported: 1
        }
    );
}

#[tokio::test]
async fn a_new_repo_settles_what_is_permanent() {
    let test = Test::start().await;
    let mut cids = Vec::new();
    for content in [b"old", b"all", b"new"] {
        cids.push(test.upload(ALICE, content).await.unwrap().cid);
    }
    test.commit(&[("a.b.c/1", cids[0]), ("a.b.c/2", cids[1])], &[])
        .await
        .unwrap();
    test.execute(format!(
        "INSERT INTO repo (repo_id, commit_cid, rev, commit_data) VALUES (3, x'', 0, x''); \
         INSERT INTO blob_ref (repo_id, cid, path) VALUES (3, x'{}', 'a.b.c/1'), (3, x'{}', 'a.b.c/2'); \
         UPDATE account SET repo_id = 3 WHERE account_id = 1",
        hex(&cids[1]),
        hex(&cids[2])
    ))
    .await;
    let settled = test.store.store.change(|tx| {
        Box::pin(async move {
            let did = ALICE.parse().unwrap();
            assert_eq!(keep_referenced(tx.connection(), &did, 3, 10).await?, 1);
            assert_eq!(keep_referenced(tx.connection(), &did, 3, 10).await?, 0);
            release_referenced(tx.connection(), &did, 1, 10, 0).await
        })
    });
    settled.await.unwrap();
    let mut states = Vec::new();
    for cid in cids {
        states.push(test.state(ALICE, cid).await.unwrap());
    }
    assert_eq!(states, [State::Temporary, State::Permanent, State::Permanent]);
}

#[tokio::test]
async fn what_is_taken_down_is_neither_served_nor_used_nor_uploaded_again_nor_removed() {
    let test = Test::start().await;
    let (did, cid) = (
        ALICE.parse::<Did>().unwrap(),
        test.upload(ALICE, b"bad").await.unwrap().cid,
    );
    test.commit(&[("a.b.c/1", cid)], &[]).await.unwrap();
    assert_eq!(test.blobs.takedown(&did, &cid).await.unwrap(), Some(None));
    assert!(
        test.blobs
            .set_takedown(&did, &cid, Some("case 7".to_owned()))
            .await
            .unwrap()
    );
    assert_eq!(
        test.blobs.takedown(&did, &cid).await.unwrap(),
        Some(Some("case 7".to_owned()))
    );
    assert_eq!(test.served(ALICE, cid).await, None);
    assert!(matches!(test.upload(ALICE, b"bad").await, Err(UploadError::TakenDown)));
    assert!(matches!(
        test.commit(&[("a.b.c/2", cid)], &[]).await,
        Err(StoreError::BlobGone)
    ));
    test.commit(&[], &[("a.b.c/1", cid)]).await.unwrap();
    assert_eq!(
        test.blobs.collect().await.unwrap(),
        0,
        "the moderators may want to see it"
    );
    assert!(matches!(test.upload(ALICE, b"bad").await, Err(UploadError::TakenDown)));
    test.blobs.set_takedown(&did, &cid, None).await.unwrap();
    assert_eq!(test.blobs.collect().await.unwrap(), 1);
    assert!(!test.blobs.set_takedown(&did, &cid, None).await.unwrap());
    assert_eq!(test.blobs.takedown(&did, &cid).await.unwrap(), None);
}

#[tokio::test]
async fn a_deleted_account_takes_all_its_blobs_along() {
    let test = Test::start().await;
    let (did, cid) = (
        ALICE.parse::<Did>().unwrap(),
        test.upload(ALICE, b"mine").await.unwrap().cid,
    );
    test.commit(&[("a.b.c/1", cid)], &[]).await.unwrap();
    test.blobs
        .set_takedown(&did, &cid, Some("case 7".to_owned()))
        .await
        .unwrap();
    test.upload(BOB, b"mine").await.unwrap();
    test.blobs.release_account(&did).await.unwrap();
    assert_eq!(test.blobs.collect().await.unwrap(), 0, "there is an account");
    test.execute("DELETE FROM account WHERE account_id = 1; DELETE FROM blob_ref WHERE repo_id = 1".to_owned())
        .await;
    test.execute(format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1200) \
         INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) \
         SELECT '{ALICE}', unhex(printf('01551220%064x', n)), '', 1, 'permanent', 0 FROM number"
    ))
    .await;
    test.blobs.release_account(&did).await.unwrap();
    assert_eq!(test.blobs.collect().await.unwrap(), 1_201);
    assert_eq!((test.state(ALICE, cid).await, test.files()), (None, 1));
}

#[tokio::test]
async fn an_account_that_comes_back_gets_none_of_the_blobs_it_had_and_keeps_those_it_brings() {
    let test = Test::start().await;
    let did: Did = ALICE.parse().unwrap();
    let old = test.upload(ALICE, b"old").await.unwrap().cid;
    test.commit(&[("a.b.c/1", old)], &[]).await.unwrap();
    let began = test
        .store
        .store
        .change(|tx| Box::pin(async move { release_predecessor(tx.connection(), &ALICE.parse().unwrap()).await }));
    began.await.unwrap();
    assert_eq!(test.state(ALICE, old).await, Some(State::Deleting));
    let new = test.upload(ALICE, b"new").await.unwrap().cid;
    test.blobs.release_account(&did).await.unwrap();
    assert_eq!(test.state(ALICE, new).await, Some(State::Temporary));
}

#[tokio::test]
async fn no_chunk_scans_a_table() {
    let test = Test::start().await;
    for sql in [references::KEEP_REFERENCED, references::RELEASE_REFERENCED] {
        test.store.assert_scans_no_table(sql).await;
    }
}

#[tokio::test]
async fn nobody_can_make_the_server_keep_any_number_of_blobs_for_nothing() {
    let mut test = Test::start().await;
    test.execute(format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 999) \
         INSERT INTO blob (did, cid, mime_type, size, state, uploaded_at) \
         SELECT '{ALICE}', CAST('{}' || n AS BLOB), '', 1, 'temporary', 0 FROM number",
        "x".repeat(30)
    ))
    .await;
    let last = test.upload(ALICE, b"last").await.unwrap().cid;
    test.upload(ALICE, b"last").await.unwrap();
    assert!(matches!(
        test.upload(ALICE, b"more").await,
        Err(UploadError::TooManyUnreferenced)
    ));
    assert_eq!(test.files(), 1);
    test.commit(&[("a.b.c/1", last)], &[]).await.unwrap();
    test.upload(ALICE, b"more").await.unwrap();

    test.upload(BOB, b"more").await.unwrap();
    test.execute(format!("UPDATE blob SET size = 5000000000 WHERE did = '{BOB}'"))
        .await;
    test.start_again();
    assert!(matches!(
        test.upload(BOB, b"and more").await,
        Err(UploadError::TooManyUnreferenced)
    ));
}

fn hex(cid: &Cid) -> String {
    super::disk::hex(cid.as_bytes())
}
