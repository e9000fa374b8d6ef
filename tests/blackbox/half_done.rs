//! `kill -9` in the midst of deletions, uploads and migrations: each of them has happened or has not (catalogue F02).

use std::path::Path;
use std::time::Duration;

use atproto_data::Cid;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use tokio::task::JoinSet;

use crate::blobs::files;
use crate::harness::{Dice, Process, password};
use crate::repo_car::verify_repo;
use crate::{Account, Answer, TestApp};

const FILE: &str = "com.example.file";

/// Any moment of the next so many milliseconds.
async fn some_moment(dice: &mut Dice, milliseconds: u64) {
    let moment = Duration::from_micros(dice.below(milliseconds * 1_000));
    let _ = tokio::time::timeout(moment, std::future::pending::<()>()).await;
}

/// The bytes of an upload that no other has.
fn bytes(seed: u64) -> Vec<u8> {
    let mut bytes = vec![b'x'; 300_000];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}

async fn upload(account: &Account, seed: u64) -> Result<Answer, reqwest::Error> {
    let upload = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access);
    Answer::to(upload.header("content-type", "text/plain").body(bytes(seed))).await
}

/// Every file below the blobs' directory is the blob that its name tells.
fn assert_whole(app: &TestApp) {
    for file in files(app) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let cid: Cid = name.parse().unwrap_or_else(|_| panic!("{} is left", file.display()));
        // Those that no row of a finished upload names are being removed.
        if let Ok(bytes) = std::fs::read(&file) {
            assert_eq!(Cid::of_raw(&bytes), cid, "{}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_no_half_upload() {
    let mut dice = Dice::from_environment("a_kill_leaves_no_half_upload");
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    for round in 0..10_u64 {
        let mut tasks = JoinSet::new();
        for task in 0..4_u64 {
            let alice = alice.clone();
            tasks.spawn(async move {
                let mut uploaded = Vec::new();
                for seed in (1_000 * (4 * round + task)).. {
                    match upload(&alice, seed).await {
                        Ok(answer) => uploaded.push((seed, answer.ok()["blob"].clone())),
                        Err(_) => return uploaded,
                    }
                }
                uploaded
            });
        }
        some_moment(&mut dice, 60).await;
        app.kill();
        let uploaded = tasks.join_all().await.concat();
        app.start_again().await;
        assert_whole(&app);
        for (seed, blob) in uploaded {
            alice.create(FILE, &format!("n{seed}"), &json!({"file": blob})).await;
            let params = [
                ("did", alice.did.as_str()),
                ("cid", blob["ref"]["$link"].as_str().unwrap()),
            ];
            let kept = app.api.query("com.atproto.sync.getBlob", &params).await.bytes();
            assert_eq!(kept, bytes(seed));
        }
    }
}

/// An account with a record and a blob.
async fn furnished(app: &TestApp, name: &str, seed: u64) -> (Account, Value) {
    let account = app.account(name).await;
    let blob = upload(&account, seed).await.unwrap().ok()["blob"].clone();
    account.create(FILE, "a", &json!({"file": blob})).await;
    (account, blob)
}

async fn status(app: &TestApp, account: &Account) -> Answer {
    let did = [("did", account.did.as_str())];
    app.api.query("com.atproto.sync.getRepoStatus", &did).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_no_half_deleted_account() {
    let mut dice = Dice::from_environment("a_kill_leaves_no_half_deleted_account");
    let mut app = TestApp::start().await;
    for round in 0..10 {
        let name = format!("account{round}");
        let (account, blob) = furnished(&app, &name, round).await;
        let issue = json!({"account": account.did.as_str(), "purpose": "delete-account"});
        let code = app.administer("internal.pds.admin.issueCode", &issue).await.ok();
        let input = json!({"did": account.did.as_str(), "password": password(&name), "token": code["code"]});
        let request = app.api.post("com.atproto.server.deleteAccount").json(&input);
        let call = tokio::spawn(Answer::to(request));
        some_moment(&mut dice, 150).await;
        app.kill();
        let is_answered = call.await.unwrap().is_ok_and(|answer| answer.status == 200);
        app.start_again().await;

        let params = [
            ("did", account.did.as_str()),
            ("cid", blob["ref"]["$link"].as_str().unwrap()),
        ];
        let found = app.api.query("com.atproto.sync.getBlob", &params).await;
        if status(&app, &account).await.status == 200 {
            assert!(!is_answered, "{name} was deleted and is there");
            found.bytes();
            let repo = verify_repo(
                &account.export().await,
                &account.did,
                &app.plc.signing_key(&account.did),
            );
            assert_eq!(repo.records.len(), 1);
            account.session().await.ok();
            app.api.procedure("com.atproto.server.deleteAccount", &input).await.ok();
        } else {
            found.refused(400, "RepoNotFound");
        }
        status(&app, &account).await.refused(400, "RepoNotFound");
        let login = json!({"identifier": format!("{name}.test"), "password": password(&name)});
        let login = app.api.procedure("com.atproto.server.createSession", &login).await;
        login.refused(401, "AuthenticationRequired");
    }
}

async fn open(app: &TestApp) -> sqlx::SqliteConnection {
    let path = app.data().join("pds.sqlite");
    let url = format!("sqlite://{}", path.display());
    sqlx::SqliteConnection::connect(&url).await.unwrap()
}

/// Makes the database of a stopped server one of an older version, with a column and a table less.
async fn age(app: &TestApp) {
    let mut database = open(app).await;
    let older = "ALTER TABLE email_token DROP COLUMN letters; DROP TABLE crawl_request; \
                 DELETE FROM schema_migration WHERE version IN (16, 18)";
    sqlx::raw_sql(older).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

/// The copies of the database that are there, each of which must be whole.
async fn assert_copies(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".schema-") {
            let url = format!("sqlite://{}?immutable=1", path.display());
            let mut copy = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let row = sqlx::query("SELECT count(*) FROM account").fetch_one(&mut copy).await;
            assert_eq!(row.unwrap().get::<i64, _>(0), 1, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_kill_leaves_no_half_migration() {
    let mut dice = Dice::from_environment("a_kill_leaves_no_half_migration");
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    for round in 0..12 {
        alice.create(FILE, &format!("n{round}"), &json!({})).await;
        app.stop().await;
        age(&app).await;
        let mut process = Process::start(&[], app.settings());
        some_moment(&mut dice, 120).await;
        process.kill();
        let mut database = open(&app).await;
        let agree = "SELECT (SELECT count(*) FROM pragma_table_info('email_token') WHERE name = 'letters') \
                     = (SELECT count(*) FROM schema_migration WHERE version = 16) \
                     AND (SELECT count(*) FROM sqlite_schema WHERE name = 'crawl_request') \
                     = (SELECT count(*) FROM schema_migration WHERE version = 18)";
        let row = sqlx::query(agree).fetch_one(&mut database).await.unwrap();
        assert!(row.get::<bool, _>(0), "the schema is what it is said to be");
        database.close().await.unwrap();
        assert_copies(&app.data()).await;
        app.start_again().await;
        let repo = verify_repo(&alice.export().await, &alice.did, &app.plc.signing_key(&alice.did));
        assert_eq!(repo.records.len(), round + 1);
    }
}
