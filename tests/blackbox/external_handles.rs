//! Handles of domains that are not the server's: proven by a DNS record (catalogue B4). The file on a web server is tested beside the resolver.

use atproto_repo::Frame;
use serde_json::json;

use crate::harness::NameServer;
use crate::{Account, Answer, TestApp};

const HANDLE: &str = "alice.handles.example.com";
const NAME: &str = "_atproto.alice.handles.example.com";

async fn start() -> (TestApp, NameServer) {
    let names = NameServer::start().await;
    let app = TestApp::start_with(&[
        ("PDS_HANDLE_BACKUP_NAMESERVERS", names.address()),
        // The system's name servers, which know nothing of it, are not waited for.
        ("PDS_ID_RESOLVER_TIMEOUT", "300"),
    ])
    .await;
    (app, names)
}

async fn update(account: &Account) -> Answer {
    account
        .call("com.atproto.identity.updateHandle", &json!({"handle": HANDLE}))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_is_taken_over_when_its_record_names_the_account() {
    let (app, names) = start().await;
    let alice = app.account("alice").await;
    let bob = app.account("bob").await;
    let (right, other) = (format!("did={}", alice.did), format!("did={}", bob.did));
    let spaced = format!("did= {}", alice.did);
    for (texts, case) in [
        (vec![], "no record"),
        (vec![other.as_str()], "another account"),
        (vec![&right, &other], "two accounts"),
        (vec![&right, &right], "twice the same"),
        (vec![&spaced], "a space"),
        (vec!["did=alice"], "no DID"),
        (vec![alice.did.as_str()], "no prefix"),
    ] {
        names.set(NAME, &texts);
        let message = update(&alice).await.refused(400, "InvalidRequest");
        assert_eq!(message, "External handle did not resolve to DID", "{case}");
    }

    let mut firehose = app.firehose(None).await;
    names.set(NAME, &["v=spf1 -all", &right]);
    update(&alice).await.ok();
    let Frame::Identity { handle, .. } = firehose.frame().await else {
        panic!("the network is told")
    };
    assert_eq!(handle.map(|handle| handle.to_string()).as_deref(), Some(HANDLE));
    assert_eq!(alice.session().await.ok()["handle"], HANDLE);
    let described = app
        .api
        .query("com.atproto.repo.describeRepo", &[("repo", HANDLE)])
        .await
        .ok();
    assert_eq!(
        (&described["did"], &described["handleIsCorrect"]),
        (&json!(alice.did.as_str()), &json!(true))
    );
    names.set(NAME, &[&other]);
    update(&bob).await.refused(400, "HandleNotAvailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_server_that_says_nothing_is_not_waited_for() {
    let (app, names) = start().await;
    let alice = app.account("alice").await;
    names.ignore(NAME);
    update(&alice).await.refused(400, "InvalidRequest");
    assert_eq!(alice.session().await.ok()["handle"], "alice.test");
}
