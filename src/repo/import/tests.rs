#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use atproto_data::cbor;
use atproto_data::{Cid, Map, Tid, Value};
use atproto_repo::car;
use atproto_repo::commit::{Commit, UnsignedCommit};
use atproto_repo::frame::Frame;
use atproto_repo::mst::{Tree, TreeItem};

use super::ImportError;
use super::imported_car::ImportedCar;
use crate::clock::fake::FakeClock;
use crate::repo::testing::{TestRepos, create, delete, signing_key};
use crate::repo::{PreparedRecord, RecordWrite, RepoRef, WriteAction};
use crate::store::StoreError;

/// A repo as blocks.
pub(super) struct Repo {
    pub(super) root: Cid,
    pub(super) blocks: Vec<(Cid, Vec<u8>)>,
}

/// Where [`repo`] says its commit was made: a day before the tests' time.
pub(super) const REV_MICROS: u64 = FakeClock::START.unsigned_abs() - 86_400_000_000;

pub(super) fn record(number: u32) -> Vec<u8> {
    let mut map = Map::new();
    map.insert("number".to_owned(), Value::Integer(number.into()));
    cbor::encode(&Value::Map(map))
}

fn text(bytes: usize) -> Vec<u8> {
    let mut map = Map::new();
    map.insert("text".to_owned(), Value::String("x".repeat(bytes)));
    cbor::encode(&Value::Map(map))
}

fn records(count: u32) -> Vec<(String, Vec<u8>)> {
    let mut records: Vec<_> = (0..count)
        .map(|n| {
            (
                format!("com.example.{}/{n}", ["a", "b", "bc"][n as usize % 3]),
                record(n),
            )
        })
        .collect();
    records.sort();
    records
}

fn repo_of(records: &[(String, Vec<u8>)], letter: char, rev: Tid) -> Repo {
    let pairs = records.iter().map(|(path, content)| (path, Cid::of_dag_cbor(content)));
    let tree = Tree::from_sorted(pairs).unwrap();
    let did = format!("did:plc:{}", String::from(letter).repeat(24)).parse().unwrap();
    let data = tree.root();
    let commit = UnsignedCommit { did, data, rev }.sign(&signing_key(letter));
    let mut blocks = vec![(commit.cid, commit.bytes)];
    let mut walk = tree.blocks();
    while let Some(item) = walk.advance() {
        if let TreeItem::Node { cid, bytes } = item {
            blocks.push((cid, bytes.to_vec()));
        }
    }
    blocks.extend(
        records
            .iter()
            .map(|(_, content)| (Cid::of_dag_cbor(content), content.clone())),
    );
    Repo {
        root: commit.cid,
        blocks,
    }
}

/// A repo of the account with this letter, signed with its key.
pub(super) fn repo(letter: char, count: u32) -> Repo {
    repo_of(&records(count), letter, Tid::from_parts(REV_MICROS, 3))
}

impl Repo {
    pub(super) fn car(&self) -> Vec<u8> {
        let mut out = Vec::new();
        car::write_header(&mut out, Some(&self.root));
        for (cid, bytes) in &self.blocks {
            car::write_block(&mut out, cid, bytes);
        }
        out
    }
}

pub(super) async fn import(test: &TestRepos, account: &RepoRef, car: &[u8]) -> Result<(), ImportError> {
    let mut import = test.repos.begin_import(account.clone()).await?;
    for piece in car.chunks(1_000) {
        import.receive(piece).await?;
    }
    import.finish(None).await
}

/// The account as it is now: an import gives it another repo.
async fn now(test: &TestRepos, account: &RepoRef) -> RepoRef {
    let repo_id = sqlx::query_scalar("SELECT repo_id FROM account WHERE account_id = $1")
        .bind(account.account_id)
        .fetch_one(&mut *test.test.store.read().await.unwrap())
        .await
        .unwrap();
    RepoRef {
        repo_id,
        ..account.clone()
    }
}

pub(super) async fn execute(test: &TestRepos, sql: &'static str) {
    let done = test.test.store.change(move |tx| {
        Box::pin(async move {
            sqlx::query(sql).execute(tx.connection()).await?;
            Ok::<_, StoreError>(())
        })
    });
    done.await.unwrap();
}

/// Waits until nothing is left of the repos that imports replaced.
pub(super) async fn removed(test: &TestRepos) {
    while test.test.integer("SELECT count(*) FROM detached_repo").await > 0 {
        tokio::task::yield_now().await;
    }
}

fn kinds(test: &TestRepos) -> Vec<&'static str> {
    let kind = |frame: &[u8]| match Frame::decode(frame).unwrap() {
        Frame::Commit(_) => "#commit",
        Frame::Sync { .. } => "#sync",
        _ => "other",
    };
    test.test.published().iter().map(|event| kind(&event.frame)).collect()
}

#[tokio::test]
async fn an_active_account_gets_a_commit_of_its_own_and_a_sync_event() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    test.write(&before, vec![create("com.example.old/1", 1)]).await.unwrap();
    let old_rev = test.rev(&before).await;
    let imported = repo('a', 700);
    import(&test, &before, &imported.car()).await.unwrap();

    let account = now(&test, &before).await;
    let export = test.export(&account, None).await;
    let commit = Commit::decode(&export.blocks[&export.root]).unwrap();
    assert_eq!(commit.data, Commit::decode(&imported.blocks[0].1).unwrap().data);
    assert!(commit.verify(&signing_key('a').public_key()).is_ok());
    assert!(commit.rev > old_rev);
    assert_eq!(export.blocks.len(), imported.blocks.len());
    assert_eq!(kinds(&test), ["#commit", "#sync"]);
    let event = Frame::decode(&test.test.published()[1].frame).unwrap();
    assert!(matches!(event, Frame::Sync { rev, .. } if rev == commit.rev));
    assert_eq!(
        test.repos.collections(account.repo_id).await.unwrap(),
        ["com.example.a", "com.example.b", "com.example.bc"]
    );
    assert_eq!(
        test.export(&account, Some(old_rev)).await.blocks.len(),
        export.blocks.len()
    );

    removed(&test).await;
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 700);
    assert_eq!(test.test.integer("SELECT count(*) FROM repo").await, 1);
    assert_eq!(test.test.integer("SELECT count(*) FROM repo_collection").await, 3);
    // A caller who looked before the import writes to the new repo too.
    for caller in [&before, &account] {
        let path = format!("com.example.a/new{}", caller.repo_id);
        test.write(caller, vec![create(&path, 1)]).await.unwrap();
    }
    test.write(&account, vec![delete("com.example.a/0")]).await.unwrap();
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 701);
    assert!(test.export(&account, Some(commit.rev)).await.blocks.len() < 30);
}

#[tokio::test]
async fn an_inactive_account_keeps_the_imported_commit_and_nobody_is_told() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    let old_rev = test.rev(&before).await;
    execute(&test, "UPDATE account SET deactivated_at = 1").await;
    let imported = repo('a', 5);
    import(&test, &before, &imported.car()).await.unwrap();
    let account = now(&test, &before).await;
    assert_eq!(test.export(&account, None).await.root, imported.root);
    assert_eq!(test.rev(&account).await.micros(), REV_MICROS);
    assert_eq!(kinds(&test), [""; 0]);
    let floor = test.test.integer("SELECT max(rev_floor) FROM repo").await;
    assert_eq!(floor.cast_unsigned(), old_rev.as_u64());
    // Once more, and the rev from before the first import is still known.
    removed(&test).await;
    import(&test, &account, &repo('a', 6).car()).await.unwrap();
    removed(&test).await;
    let floor = test.test.integer("SELECT max(rev_floor) FROM repo").await;
    assert_eq!(floor.cast_unsigned(), old_rev.as_u64());
}

#[tokio::test]
async fn blocks_may_come_in_any_order_more_than_once_and_with_strangers_among_them() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    let mut imported = repo('a', 1_500);
    let expected = imported.blocks.len();
    imported
        .blocks
        .extend((2_000..3_000).map(|n| (Cid::of_dag_cbor(&record(n)), record(n))));
    imported.blocks.extend_from_within(0..500);
    imported.blocks.sort();
    import(&test, &before, &imported.car()).await.unwrap();
    let account = now(&test, &before).await;
    assert_eq!(test.export(&account, None).await.blocks.len(), expected);
    removed(&test).await;
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 1_500);
}

#[tokio::test]
async fn what_is_derived_from_records_comes_and_goes_with_them() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    let mut follow = Map::new();
    let subject = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb".to_owned();
    follow.insert("subject".to_owned(), Value::String(subject));
    let follow = cbor::encode(&Value::Map(follow));
    let records: Vec<_> = (0..600)
        .map(|n| (format!("app.bsky.graph.follow/{n:04}"), follow.clone()))
        .collect();
    let imported = repo_of(&records, 'a', Tid::from_parts(REV_MICROS, 3));
    import(&test, &before, &imported.car()).await.unwrap();
    assert_eq!(test.test.integer("SELECT count(*) FROM subject_link").await, 600);
    let account = now(&test, &before).await;
    assert_eq!(
        test.export(&account, None).await.blocks.len(),
        imported.blocks.len() - 599
    );
    import(&test, &account, &repo('a', 1).car()).await.unwrap();
    removed(&test).await;
    assert_eq!(test.test.integer("SELECT count(*) FROM subject_link").await, 0);
}

#[tokio::test]
async fn an_empty_repo_is_a_repo() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    test.write(&before, vec![create("com.example.old/1", 1)]).await.unwrap();
    import(&test, &before, &repo('a', 0).car()).await.unwrap();
    removed(&test).await;
    let account = now(&test, &before).await;
    assert_eq!(test.export(&account, None).await.blocks.len(), 2);
    assert_eq!(test.test.integer("SELECT count(*) FROM repo_collection").await, 0);
}

/// A changed byte or a missing end is found before anything is written.
#[tokio::test]
async fn a_damaged_car_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let car = repo('a', 12).car();
    let open = |bytes: &[u8]| {
        let mut file = tempfile::tempfile_in(directory.path()).unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        ImportedCar::open(file, directory.path()).and_then(|car| car.check())
    };
    open(&car).unwrap();
    for end in 0..car.len() {
        assert!(open(&car[..end]).is_err(), "cut at {end}");
    }
    for at in 0..car.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = car.clone();
            damaged[at] ^= flip;
            assert!(open(&damaged).is_err(), "byte {at} ^ {flip}");
        }
    }
}

#[tokio::test]
async fn a_refused_car_changes_nothing() {
    let test = TestRepos::open().await;
    let account = test.account('a').await;
    test.write(&account, vec![create("com.example.old/1", 1)])
        .await
        .unwrap();
    let head = test.export(&account, None).await.root;
    let rev = Tid::from_parts(REV_MICROS, 3);
    let with = |path: &str, content: Vec<u8>| repo_of(&[(path.to_owned(), content)], 'a', rev).car();
    let roots = |count: usize| {
        let mut header = cbor::Encoder::new();
        header.map(2).string("roots").array(count);
        for _ in 0..count {
            header.link(&repo('a', 1).root);
        }
        header.string("version").integer(1);
        let mut car = vec![u8::try_from(header.as_slice().len()).unwrap()];
        car.extend_from_slice(header.as_slice());
        car.extend_from_slice(&repo('a', 1).car()[59..]);
        car
    };
    let without = |which: usize| {
        let mut repo = repo('a', 30);
        repo.blocks.remove(which);
        repo.car()
    };
    let future = Tid::from_parts(FakeClock::START.unsigned_abs() + 301_000_000, 0);
    let cases = [
        ("nothing", Vec::new()),
        ("no root", roots(0)),
        ("two roots", roots(2)),
        ("no commit", without(0)),
        ("no root node", without(1)),
        ("no other node", without(3)),
        ("no record", without(repo('a', 30).blocks.len() - 1)),
        ("another's", repo('b', 3).car()),
        ("from the future", repo_of(&records(3), 'a', future).car()),
        ("not an NSID", with("com_example/1", record(1))),
        ("not an rkey", with("com.example.a/..", record(1))),
        ("too large", with("com.example.a/1", text(1_000_000))),
        ("a list", with("com.example.a/1", vec![0x80])),
        (
            "a float",
            with("com.example.a/1", vec![0xa1, 0x61, b'a', 0xf9, 0x3c, 0x00]),
        ),
        (
            "keys out of order",
            with("com.example.a/1", b"\xa2\x61b\x01\x61a\x01".to_vec()),
        ),
    ];
    for (name, car) in cases {
        let error = import(&test, &account, &car).await.unwrap_err();
        assert!(!matches!(error, ImportError::Repo(_)), "{name}: {error}");
    }
    assert_eq!(test.export(&account, None).await.root, head);
    assert_eq!(test.test.integer("SELECT count(*) FROM repo").await, 1);
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 1);
    assert!(
        import(&test, &account, &roots(1)).await.is_ok(),
        "the helper itself is right"
    );
}

#[tokio::test]
async fn a_car_has_two_hours_to_come() {
    let test = TestRepos::open().await;
    let account = test.account('a').await;
    let mut import = test.repos.begin_import(account.clone()).await.unwrap();
    for _ in 0..2 {
        test.clock.advance(Duration::from_hours(1));
        import.receive(b"x").await.unwrap();
    }
    test.clock.advance(Duration::from_secs(1));
    assert!(matches!(import.receive(b"x").await, Err(ImportError::TooSlow)));
    drop(import);
    test.repos.begin_import(account).await.unwrap();
}

#[tokio::test]
async fn a_commit_removes_no_more_duplicates_than_it_may_have_operations() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    let mut follow = Map::new();
    let subject = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb".to_owned();
    follow.insert("subject".to_owned(), Value::String(subject));
    let content = cbor::encode(&Value::Map(follow.clone()));
    let records: Vec<_> = (0..300)
        .map(|n| (format!("app.bsky.graph.follow/{n:04}"), content.clone()))
        .collect();
    let imported = repo_of(&records, 'a', Tid::from_parts(REV_MICROS, 3));
    import(&test, &before, &imported.car()).await.unwrap();
    let account = now(&test, &before).await;
    for (rkey, left) in [("one", 102), ("two", 1)] {
        let (collection, rkey) = ("app.bsky.graph.follow".parse().unwrap(), rkey.parse().unwrap());
        let record = PreparedRecord::new(&collection, &rkey, follow.clone()).unwrap();
        let action = WriteAction::CreateUnique(record);
        let create = RecordWrite {
            collection,
            rkey,
            action,
        };
        test.write(&account, vec![create]).await.unwrap();
        let count = "SELECT count(*) FROM record WHERE repo_id = (SELECT repo_id FROM account)";
        assert_eq!(test.test.integer(count).await, left);
    }
}

#[tokio::test]
async fn one_import_at_a_time_and_no_write_beside_it() {
    let test = TestRepos::open().await;
    let (alice, bob) = (test.account('a').await, test.account('b').await);
    let mut first = test.repos.begin_import(alice.clone()).await.unwrap();
    assert!(matches!(
        test.repos.begin_import(alice.clone()).await,
        Err(ImportError::Running)
    ));
    import(&test, &bob, &repo('b', 3).car()).await.unwrap();

    test.write(&alice, vec![create("com.example.old/1", 1)]).await.unwrap();
    first.receive(&repo('a', 3).car()).await.unwrap();
    assert!(matches!(first.finish(None).await, Err(ImportError::HeadMoved)));
    removed(&test).await;
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 4);
    assert_eq!(now(&test, &alice).await, alice);
    import(&test, &alice, &repo('a', 3).car()).await.unwrap();
}

#[tokio::test]
async fn what_a_moderator_took_down_stays_down() {
    let test = TestRepos::open().await;
    let before = test.account('a').await;
    let kept = vec![create("com.example.a/0", 9), create("com.example.z/1", 9)];
    test.write(&before, kept).await.unwrap();
    execute(&test, "UPDATE record SET takedown_ref = 'because'").await;
    import(&test, &before, &repo('a', 5).car()).await.unwrap();
    removed(&test).await;
    // A moderator who looked at the record before the import takes down what is there now.
    let (collection, rkey) = ("com.example.b".parse().unwrap(), "1".parse().unwrap());
    let down = test
        .repos
        .set_record_takedown(before.account_id, &collection, &rkey, Some("later".to_owned()));
    assert!(down.await.unwrap());
    assert_eq!(
        test.test
            .integer("SELECT count(*) FROM record WHERE takedown_ref = 'later'")
            .await,
        1
    );
    let taken_down = "SELECT count(*) FROM record WHERE takedown_ref = 'because' AND path = 'com.example.a/0'";
    assert_eq!(test.test.integer(taken_down).await, 1);
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 5);
}

#[tokio::test]
async fn a_large_repo_has_its_skeleton_by_the_time_the_old_one_is_gone() {
    let test = TestRepos::open_tiny().await;
    let before = test.account('a').await;
    let creates = |first| (first..first + 100).map(|number| create(&format!("com.example.old/{number}"), number));
    test.write(&before, creates(0).collect()).await.unwrap();
    test.write(&before, creates(100).collect()).await.unwrap();
    assert!(test.test.integer("SELECT count(*) FROM repo_skeleton").await > 10);
    let imported = repo('a', 700);
    import(&test, &before, &imported.car()).await.unwrap();
    removed(&test).await;

    let account = now(&test, &before).await;
    let rows = "SELECT count(*) FROM repo_skeleton s JOIN account a ON a.repo_id = s.repo_id";
    let rows = test.test.integer(rows).await;
    assert!(rows > 100);
    assert_eq!(test.test.integer("SELECT count(*) FROM repo_skeleton").await, rows);
    test.write(&account, vec![delete("com.example.a/3")]).await.unwrap();
    assert!(test.export(&account, None).await.blocks.len() > 700);
}

/// What a server that is killed between the first row and the switch leaves behind.
#[tokio::test]
async fn leftovers_are_known_and_removed() {
    let test = TestRepos::open().await;
    let account = test.account('a').await;
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &repo('a', 1_200).car()).unwrap();
    let car = Arc::new(ImportedCar::open(file, &std::env::temp_dir()).unwrap());
    let new = test.repos.add_detached(&car).await.unwrap();
    test.repos.write_rows(new, car).await.unwrap();
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 1_200);
    assert_eq!(test.repos.detached().await.unwrap(), [new]);
    test.repos.remove_detached(new).await.unwrap();
    for table in ["record", "repo_collection", "detached_repo"] {
        let sql = match table {
            "record" => "SELECT count(*) FROM record",
            "repo_collection" => "SELECT count(*) FROM repo_collection",
            _ => "SELECT count(*) FROM detached_repo",
        };
        assert_eq!(test.test.integer(sql).await, 0, "{table}");
    }
    assert_eq!(test.repos.head(account.repo_id).await.unwrap().map(|_| ()), Some(()));
}
