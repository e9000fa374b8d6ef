//! Accounts that are deleted on a date that their owners chose, and what is left of them.

use std::time::Duration;

use atproto_repo::{AccountStatus, Frame};
use serde_json::json;

use crate::blobs::files;
use crate::{Account, Answer, Firehose, TestApp};

const DEACTIVATE: &str = "com.atproto.server.deactivateAccount";

async fn has_a_blob(account: &Account) {
    let upload = account
        .api
        .post("com.atproto.repo.uploadBlob")
        .bearer_auth(&account.access);
    let upload = upload.header("content-type", "text/plain").body(account.handle.clone());
    let blob = Answer::to(upload).await.unwrap().ok()["blob"].clone();
    account.create("com.example.file", "a", &json!({"file": blob})).await;
}

/// Reads until the firehose tells that an account is deleted.
async fn told(firehose: &mut Firehose, account: &Account) {
    loop {
        if let Frame::Account { did, status, .. } = firehose.frame().await
            && did == account.did
            && status == Some(AccountStatus::Deleted)
        {
            return;
        }
    }
}

/// Waits until the blobs' directory has so many files.
async fn left(app: &TestApp, number: usize) {
    let removed = async {
        while files(app).len() != number {
            tokio::task::yield_now().await;
        }
    };
    let removed = tokio::time::timeout(Duration::from_secs(20), removed).await;
    assert!(removed.is_ok(), "{:?}", files(app));
}

#[tokio::test]
async fn an_account_whose_date_has_come_is_deleted_with_its_files() {
    let mut app = TestApp::start().await;
    let (alice, bob) = (app.account("alice").await, app.account("bob").await);
    for account in [&alice, &bob] {
        has_a_blob(account).await;
    }
    assert_eq!(files(&app).len(), 2);
    for (account, date) in [(&alice, "2020-01-01T00:00:00Z"), (&bob, "2999-01-01T00:00:00Z")] {
        account.call(DEACTIVATE, &json!({"deleteAfter": date})).await.ok();
    }
    // The jobs begin with the server.
    app.restart().await;
    told(&mut app.firehose(Some(0)).await, &alice).await;
    let status = async |account: &Account| {
        let did = [("did", account.did.as_str())];
        app.api.query("com.atproto.sync.getRepoStatus", &did).await
    };
    status(&alice).await.refused(400, "RepoNotFound");
    alice.session().await.refused(400, "InvalidRequest");
    assert_eq!(status(&bob).await.ok()["status"], "deactivated");

    app.restart().await;
    left(&app, 1).await;
    assert_eq!(bob.session().await.ok()["status"], "deactivated");
}
