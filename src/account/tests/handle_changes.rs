//! Changing handles while the PLC directory is well, refuses or hangs.

use atproto_data::Handle;

use crate::account::testing::{Fault, TestAccounts};
use crate::account::{CreateError, HandleError};

fn handle(text: &str) -> Handle {
    text.parse().unwrap()
}

async fn with_alice() -> TestAccounts {
    let test = TestAccounts::open().await;
    let invite = test.invite(5).await;
    let created = test.accounts.create(TestAccounts::request("alice", &invite)).await;
    created.unwrap();
    test
}

async fn has(test: &TestAccounts, text: &str) -> bool {
    test.accounts.find_handle(&handle(text)).await.unwrap().is_some()
}

#[tokio::test]
async fn the_old_handle_is_free_when_the_new_one_is_everywhere() {
    let test = with_alice().await;
    let alice = test.accounts.find_handle(&handle("alice.test")).await.unwrap().unwrap();
    test.accounts
        .change_handle(&alice, handle("alicia.test"))
        .await
        .unwrap();
    assert_eq!(test.plc.state(&alice.did).unwrap().also_known_as, ["at://alicia.test"]);
    // The same once more, by somebody who still knows the account by its old handle.
    test.accounts
        .change_handle(&alice, handle("alicia.test"))
        .await
        .unwrap();
    let invite = test.invite(1).await;
    let newcomer = test.accounts.create(TestAccounts::request("alice", &invite)).await;
    assert!(matches!(newcomer, Err(CreateError::EmailTaken)), "{:?}", newcomer.err());
    assert_eq!(test.count("SELECT count(*) FROM held_handle").await, 0);
}

#[tokio::test]
async fn what_the_directory_refuses_changes_nothing() {
    let test = with_alice().await;
    let alice = test.accounts.find_handle(&handle("alice.test")).await.unwrap().unwrap();
    test.plc.set(Fault::Refuses);
    let refused = test.accounts.change_handle(&alice, handle("alicia.test")).await;
    assert!(matches!(refused, Err(HandleError::Plc(_))), "{refused:?}");
    assert!(has(&test, "alice.test").await && !has(&test, "alicia.test").await);
    assert_eq!(test.count("SELECT count(*) FROM held_handle").await, 0);
}

#[tokio::test]
async fn nobody_takes_the_old_handle_before_the_change_is_done() {
    let test = with_alice().await;
    let alice = test.accounts.find_handle(&handle("alice.test")).await.unwrap().unwrap();
    let invite = test.invite(2).await;
    let bob = test.accounts.create(TestAccounts::request("bob", &invite)).await;
    let bob = bob.unwrap().session.account;
    test.plc.set(Fault::Hangs);
    let accounts = test.accounts.clone();
    let change = tokio::spawn(async move { accounts.change_handle(&alice, handle("alicia.test")).await });
    while !has(&test, "alicia.test").await {
        tokio::task::yield_now().await;
    }
    let taken = test.accounts.change_handle(&bob, handle("alice.test")).await;
    assert!(matches!(taken, Err(HandleError::Taken(_))), "{taken:?}");
    let taken = test.accounts.create(TestAccounts::request("alice", &invite)).await;
    assert!(matches!(taken, Err(CreateError::HandleTaken(_))), "{:?}", taken.err());
    let given_up = change.await.unwrap();
    assert!(matches!(given_up, Err(HandleError::Plc(_))), "{given_up:?}");
    assert!(has(&test, "alice.test").await && !has(&test, "alicia.test").await);
}
