//! `kill -9` at any moment: what was acknowledged is there, and records, heads and events agree.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection as _, Row as _};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::firehose::StreamVerifier;
use crate::harness::{Dice, Writer, password};
use crate::repo_car::verify_repo;
use crate::{Account, Firehose, TestApp};

const KILLS: usize = 50;
const ACCOUNTS: usize = 4;
const WRITERS: usize = 8;
/// Acknowledged writes before a kill, at most.
const MOST_WRITES: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    let mut dice = Dice::from_environment("a_kill_loses_nothing_that_was_acknowledged");
    let mut app = TestApp::start().await;
    let mut writers = Vec::new();
    let mut accounts = Vec::new();
    for index in 0..ACCOUNTS {
        accounts.push(app.account(&format!("writer{index}")).await);
    }
    for index in 0..WRITERS {
        writers.push(Writer::new(
            &accounts[index % ACCOUNTS],
            format!("w{index}"),
            dice.split(),
        ));
    }
    let mut verifier = StreamVerifier::new(&app.plc);
    for round in 0..KILLS {
        let reader = follow(app.firehose(Some(verifier.cursor)).await, verifier);
        writers = write_and_kill(&mut app, writers, &mut dice).await;
        verifier = reader.await.unwrap();
        app.start_again().await;
        catch_up(&app, &accounts, &mut verifier).await;
        for account in &accounts {
            assert_agreement(&app, account, &verifier, &mut writers).await;
        }
        let written: usize = writers.iter().map(|writer| writer.commits.len()).sum();
        println!("kill {round}: {written} commits acknowledged so far, all there");
    }
    app.stop().await;
    assert_integrity(&app).await;
}

/// Reads events until the server is gone.
fn follow(mut firehose: Firehose, mut verifier: StreamVerifier) -> JoinHandle<StreamVerifier> {
    tokio::spawn(async move {
        while let Some(frame) = firehose.next().await {
            verifier.accept(&frame);
        }
        verifier
    })
}

/// Lets all write at once and kills the server in the midst of it.
async fn write_and_kill(app: &mut TestApp, writers: Vec<Writer>, dice: &mut Dice) -> Vec<Writer> {
    let acknowledged = Arc::new(Semaphore::new(0));
    let mut tasks = JoinSet::new();
    for mut writer in writers {
        let acknowledged = Arc::clone(&acknowledged);
        tasks.spawn(async move {
            writer.write_until_the_end(&acknowledged).await;
            writer
        });
    }
    let count = u32::try_from(dice.below(MOST_WRITES)).unwrap();
    acknowledged.acquire_many(count).await.unwrap().forget();
    // Any moment between two acknowledgements.
    let moment = Duration::from_micros(dice.below(4_000));
    let _ = tokio::time::timeout(moment, std::future::pending::<()>()).await;
    app.kill();
    tasks.join_all().await
}

/// Reads the log until it has told of every head.
async fn catch_up(app: &TestApp, accounts: &[Account], verifier: &mut StreamVerifier) {
    let mut firehose = app.firehose(Some(verifier.cursor)).await;
    for account in accounts {
        verifier.read_up_to(&mut firehose, account).await;
    }
}

/// Records, head, tree, events and promises of an account agree.
pub(crate) async fn assert_agreement(
    app: &TestApp,
    account: &Account,
    verifier: &StreamVerifier,
    writers: &mut [Writer],
) {
    let key = app.plc.signing_key(&account.did);
    let repo = verify_repo(&account.export().await, &account.did, &key);
    let replica = &verifier.repos[&account.did];
    assert_eq!(
        replica.head,
        Some((repo.commit, repo.rev, repo.data)),
        "the last event is the head"
    );
    assert_eq!(replica.records, repo.records, "the events tell the records");
    for writer in writers.iter_mut().filter(|writer| writer.account.did == account.did) {
        writer.settle(&repo.records);
        assert!(
            writer.commits.iter().all(|commit| verifier.commits.contains(commit)),
            "every commit has its event"
        );
    }
    let promised: usize = writers
        .iter()
        .filter(|writer| writer.account.did == account.did)
        .map(|writer| writer.promised.len())
        .sum();
    assert_eq!(promised, repo.records.len(), "nobody wrote anything else");
}

async fn assert_integrity(app: &TestApp) {
    let url = format!("sqlite://{}", app.data().join("pds.sqlite").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let row = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "ok");
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut database)
        .await
        .unwrap();
    assert!(broken.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_no_half_account() {
    let mut dice = Dice::from_environment("a_kill_leaves_no_half_account");
    let mut app = TestApp::start().await;
    for round in 0..12 {
        let name = format!("account{round}");
        let input = app.sign_up(&name).await;
        let request = app.api.post("com.atproto.server.createAccount").json(&input);
        let call = tokio::spawn(crate::Answer::to(request));
        // Creating an account takes some 100 ms, most of it the password.
        let _ = tokio::time::timeout(Duration::from_millis(dice.below(150)), std::future::pending::<()>()).await;
        app.kill();
        let answered = call.await.unwrap().is_ok_and(|answer| answer.status == 200);
        app.start_again().await;

        let again = app.api.procedure("com.atproto.server.createAccount", &input).await;
        let session = if again.status == 200 {
            assert!(!answered, "{name} was acknowledged and is gone");
            again.ok()
        } else {
            // It was finished, and whoever knows the password is in.
            again.refused(400, "InvalidRequest");
            let login = json!({"identifier": format!("{name}.test"), "password": password(&name)});
            app.api.procedure("com.atproto.server.createSession", &login).await.ok()
        };
        let account = Account::new(&app.api, &session);
        account
            .create("com.example.note", "first", &json!({"text": "Hello"}))
            .await;
        verify_repo(
            &account.export().await,
            &account.did,
            &app.plc.signing_key(&account.did),
        );
    }
    let accounts = app.api.query("com.atproto.sync.listRepos", &[]).await.ok();
    assert_eq!(accounts["repos"].as_array().unwrap().len(), 12);
    assert_eq!(app.plc.dids().len(), 12, "no DID without an account");
}
