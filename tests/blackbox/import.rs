//! Repos that move in (catalogue D1–D18 on import, F02).

use std::time::Duration;

use atproto_data::Cid;
use atproto_repo::Frame;
use atproto_repo::car;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};

use crate::harness::{Dice, create_write};
use crate::repo_car::{VerifiedRepo, read_car, verify_repo};
use crate::untouched::{Untouched, assert_refused};
use crate::{Account, Answer, TestApp};

const NOTE: &str = "com.example.note";
const METHOD: &str = "com.atproto.repo.importRepo";
const CAR: &str = "application/vnd.ipld.car";

fn creates(from: u32, to: u32) -> Vec<Value> {
    (from..to)
        .map(|number| create_write(NOTE, &format!("n{number}"), &json!({"n": number})))
        .collect()
}

async fn try_import(account: &Account, car: Vec<u8>) -> Result<Answer, reqwest::Error> {
    let request = account.api.post(METHOD).bearer_auth(&account.access);
    Answer::to(request.header("content-type", CAR).body(car)).await
}

async fn import(account: &Account, car: Vec<u8>) -> Answer {
    try_import(account, car).await.unwrap()
}

async fn verified(app: &TestApp, account: &Account) -> VerifiedRepo {
    verify_repo(
        &account.export().await,
        &account.did,
        &app.plc.signing_key(&account.did),
    )
}

/// The owner's view of an account that may be inactive.
async fn own(account: &Account, nsid: &str) -> Answer {
    let request = account.api.get(nsid, &[("did", account.did.as_str())]);
    Answer::to(request.bearer_auth(&account.access)).await.unwrap()
}

/// A CAR of other blocks in another order.
fn car_of(root: &Cid, blocks: impl IntoIterator<Item = (Cid, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    car::write_header(&mut out, Some(root));
    for (cid, bytes) in blocks {
        car::write_block(&mut out, &cid, &bytes);
    }
    out
}

#[tokio::test]
async fn an_active_account_goes_back_to_a_backup() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.apply(&creates(0, 200)).await.ok();
    let backup = alice.export().await;
    let then = verified(&app, &alice).await;
    alice.delete(NOTE, "n3").await;
    alice.create("com.example.other", "new", &json!({"n": 1})).await;
    let (_, before) = alice.head().await;

    let mut firehose = app.firehose(None).await;
    import(&alice, backup).await.ok();
    let now = verified(&app, &alice).await;
    assert_eq!((&now.records, now.data), (&then.records, then.data));
    assert!(now.rev > before);
    let Frame::Sync { rev, did, .. } = firehose.frame().await else {
        panic!("a #sync comes next")
    };
    assert_eq!((rev, &did), (now.rev, &alice.did));
    let described = app
        .api
        .query("com.atproto.repo.describeRepo", &[("repo", alice.did.as_str())])
        .await
        .ok();
    assert_eq!(described["collections"], json!([NOTE]));
    // Writing goes on from there.
    alice.create(NOTE, "after", &json!({"n": 1})).await;
    let Frame::Commit(commit) = firehose.frame().await else {
        panic!("a #commit comes next")
    };
    assert_eq!((commit.since, commit.prev_data), (Some(now.rev), Some(now.data)));
    assert_eq!(verified(&app, &alice).await.records.len(), 201);
}

#[tokio::test]
async fn a_deactivated_account_keeps_the_imported_commit_until_it_is_activated() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.apply(&creates(0, 50)).await.ok();
    let backup = alice.export().await;
    let then = verified(&app, &alice).await;
    alice.apply(&creates(50, 60)).await.ok();
    let (_, newest) = alice.head().await;
    let mut firehose = app.firehose(None).await;
    alice
        .call("com.atproto.server.deactivateAccount", &json!({}))
        .await
        .ok();
    assert!(matches!(firehose.frame().await, Frame::Account { active: false, .. }));
    import(&alice, backup).await.ok();
    let head = own(&alice, "com.atproto.sync.getLatestCommit").await.ok();
    assert_eq!(head["cid"].as_str(), Some(then.commit.to_string().as_str()));
    let status = own(&alice, "com.atproto.server.checkAccountStatus").await.ok();
    assert_eq!(
        (&status["activated"], &status["indexedRecords"]),
        (&json!(false), &json!(50))
    );

    let activate = app.api.post("com.atproto.server.activateAccount");
    Answer::to(activate.bearer_auth(&alice.access)).await.unwrap().ok();
    let kinds = [firehose.frame().await, firehose.frame().await, firehose.frame().await];
    assert!(
        matches!(
            kinds,
            [
                Frame::Account { active: true, .. },
                Frame::Identity { .. },
                Frame::Sync { .. }
            ]
        ),
        "{kinds:?}"
    );
    let now = verified(&app, &alice).await;
    assert_eq!(now.records, then.records);
    assert!(now.rev > newest, "a rev after all that the network has seen");
}

#[tokio::test]
async fn blobs_go_and_come_back_with_the_records() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let without = alice.export().await;
    let upload = alice.api.post("com.atproto.repo.uploadBlob").bearer_auth(&alice.access);
    let upload = upload.header("content-type", "text/plain").body("a text");
    let blob = Answer::to(upload).await.unwrap().ok()["blob"].clone();
    alice.create(NOTE, "file", &json!({"file": blob})).await;
    let with = alice.export().await;
    let cid = blob["ref"]["$link"].as_str().unwrap();
    let params = [("did", alice.did.as_str()), ("cid", cid)];
    import(&alice, without).await.ok();
    assert_nothing_left(&app).await;
    app.api
        .query("com.atproto.sync.getBlob", &params)
        .await
        .refused(400, "InvalidRequest");
    import(&alice, with).await.ok();
    assert_nothing_left(&app).await;
    let served = app.api.query("com.atproto.sync.getBlob", &params).await;
    assert_eq!(served.bytes(), b"a text");
}

#[tokio::test]
async fn bad_cars_are_refused_and_nothing_changes() {
    let app = TestApp::start_with(&[("PDS_MAX_REPO_IMPORT_SIZE", "100000")]).await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    alice.apply(&creates(0, 100)).await.ok();
    let good = alice.export().await;
    let (roots, order, blocks) = read_car(&good);
    let untouched = Untouched::of(&app, &alice).await;
    let without = |missing: usize| {
        let kept = order.iter().enumerate().filter(|(index, _)| *index != missing);
        car_of(&roots[0], kept.map(|(_, cid)| (*cid, blocks[cid].clone())))
    };
    let mut cases = vec![
        ("garbage".to_owned(), b"0123456789".to_vec()),
        ("nothing".to_owned(), Vec::new()),
        ("another's".to_owned(), bob.export().await),
        ("no commit".to_owned(), without(0)),
        ("a node missing".to_owned(), without(4)),
        ("a record missing".to_owned(), without(order.len() - 1)),
        ("a record as root".to_owned(), {
            let record = order[order.len() - 1];
            car_of(&record, blocks.clone())
        }),
    ];
    let mut dice = Dice::from_environment("bad_cars_are_refused_and_nothing_changes");
    for _ in 0..40 {
        let end = usize::try_from(dice.below(good.len() as u64)).unwrap();
        cases.push((format!("cut at {end}"), good[..end].to_vec()));
        let mut changed = good.clone();
        changed[end] ^= 0x55;
        cases.push((format!("byte {end} changed"), changed));
    }
    for (name, car) in cases {
        let answer = import(&alice, car).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert_refused(&answer, &name);
    }
    let large = import(&alice, [good.clone(), vec![0; 100_000]].concat()).await;
    large.refused(413, "PayloadTooLarge");
    let json = alice.call(METHOD, &json!({})).await;
    json.refused(400, "InvalidRequest");
    let nobody = app.api.post(METHOD).header("content-type", CAR).body(good);
    Answer::to(nobody).await.unwrap().refused(401, "AuthMissing");
    untouched.assert(&app).await;
    assert_nothing_left(&app).await;
}

#[tokio::test]
async fn imports_can_be_switched_off() {
    let app = TestApp::start_with(&[("PDS_ACCEPTING_REPO_IMPORTS", "false")]).await;
    let alice = app.account("alice").await;
    let message = import(&alice, alice.export().await)
        .await
        .refused(400, "InvalidRequest");
    assert_eq!(message, "Service is not accepting repo imports");
}

/// Two imports and writes at the same time: the repo is the one or the other, never a mixture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_and_writes_at_once_do_not_mix() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.apply(&creates(0, 200)).await.ok();
    let backup = alice.export().await;
    for round in 0..8_u32 {
        let input = alice.write(NOTE, &format!("r{round}"), &json!({"n": round}));
        let (one, other, write) = tokio::join!(
            import(&alice, backup.clone()),
            import(&alice, backup.clone()),
            alice.call("com.atproto.repo.createRecord", &input),
        );
        for answer in [&one, &other, &write] {
            assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
        }
        let repo = verified(&app, &alice).await;
        let extra = repo.records.len() - 200;
        if one.status == 200 || other.status == 200 {
            assert!(extra <= 1, "{extra} records more than the backup");
        }
        if write.status == 200 && one.status != 200 && other.status != 200 {
            assert!(repo.records.contains_key(&format!("{NOTE}/r{round}")));
        }
    }
}

/// An import and what else changes the account at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_may_go_off_or_away_while_a_repo_is_imported_into_it() {
    let app = TestApp::start().await;
    for round in 0..4 {
        let alice = app.account(&format!("alice{round}")).await;
        alice.apply(&creates(0, 200)).await.ok();
        let backup = alice.export().await;
        for _ in 0..4 {
            let activate = alice
                .api
                .post("com.atproto.server.activateAccount")
                .bearer_auth(&alice.access);
            let (imported, on) = tokio::join!(import(&alice, backup.clone()), Answer::to(activate));
            on.unwrap().bytes();
            imported.bytes();
        }
        let account = json!({"did": alice.did});
        let delete = || app.administer("com.atproto.admin.deleteAccount", &account);
        let (imported, one, other) = tokio::join!(import(&alice, backup.clone()), delete(), delete());
        assert!(matches!(imported.status, 200 | 400 | 401), "{}", imported.text());
        assert_eq!(
            (one.status, other.status),
            (200, 200),
            "{} {}",
            one.text(),
            other.text()
        );
        let gone = app
            .api
            .query("com.atproto.sync.getRepo", &[("did", alice.did.as_str())])
            .await;
        gone.refused(400, "RepoNotFound");
        assert_nothing_left(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_beside_an_import_find_one_repo_or_the_other() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    alice.apply(&creates(0, 200)).await.ok();
    let backup = alice.export().await;
    let mut imports = tokio::task::JoinSet::new();
    let importer = alice.clone();
    imports.spawn(async move {
        for _ in 0..8 {
            import(&importer, backup.clone()).await.ok();
        }
    });
    let params = [("did", alice.did.as_str()), ("collection", NOTE), ("rkey", "n7")];
    while imports.try_join_next().is_none() {
        for method in ["getRepo", "getRecord", "getLatestCommit"] {
            let answer = app.api.query(&format!("com.atproto.sync.{method}"), &params).await;
            assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_the_old_repo_or_the_new_one() {
    let mut dice = Dice::from_environment("a_kill_leaves_the_old_repo_or_the_new_one");
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    for start in (0..3_000).step_by(200) {
        alice.apply(&creates(start, start + 200)).await.ok();
    }
    let large = alice.export().await;
    let large_records = verified(&app, &alice).await.records;
    for round in 0..10 {
        alice.delete(NOTE, "n7").await;
        let before = verified(&app, &alice).await;
        let (account, car) = (alice.clone(), large.clone());
        let call = tokio::spawn(async move { try_import(&account, car).await });
        let moment = Duration::from_millis(dice.below(400));
        let _ = tokio::time::timeout(moment, std::future::pending::<()>()).await;
        app.kill();
        let acknowledged = call.await.unwrap().is_ok_and(|answer| answer.status == 200);
        app.start_again().await;
        let after = verified(&app, &alice).await;
        let outcome = if after.records == large_records { "new" } else { "old" };
        println!("kill {round} after {moment:?}: the {outcome} repo");
        if after.records == large_records {
            assert!(after.rev > before.rev);
        } else {
            assert!(!acknowledged, "an acknowledged import is there");
            assert_eq!(after, before);
            // What could not be ended can be done again.
            import(&alice, large.clone()).await.ok();
        }
        assert_nothing_left(&app).await;
    }
    app.stop().await;
}

/// Waits until no row is left of repos that nobody has, and no temporary file.
async fn assert_nothing_left(app: &TestApp) {
    const STRAYS: &str =
        "SELECT count(*) FROM record r WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.repo_id = r.repo_id)";
    let url = format!("sqlite://{}?mode=ro", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let mut count = async |sql: &'static str| -> i64 {
        let row = sqlx::query(sql).fetch_one(&mut database).await.unwrap();
        row.get(0)
    };
    let gone = async {
        for sql in ["SELECT count(*) FROM detached_repo", STRAYS] {
            while count(sql).await > 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .expect("leftovers are removed");
    assert_eq!(std::fs::read_dir(app.data().join("tmp")).unwrap().count(), 0);
}
