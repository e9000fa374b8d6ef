//! Switching accounts off and on.

use std::time::Duration;

use atproto_repo::frame::Frame;

use crate::account::testing::TestAccounts;
use crate::account::{Account, AccountStatus, ActivateError};
use crate::store::StoreError;

/// The last events, shortly.
fn told(test: &TestAccounts, skip: usize) -> Vec<String> {
    let frames = test
        .test
        .published()
        .into_iter()
        .skip(skip)
        .map(|event| Frame::decode(&event.frame).unwrap());
    let short = frames.map(|frame| match frame {
        Frame::Account { active, status, .. } => format!("#account {active} {}", status.map_or("", |s| s.as_str())),
        Frame::Identity { handle, .. } => format!("#identity {}", handle.unwrap()),
        Frame::Sync { .. } => "#sync".to_owned(),
        other => format!("{other:?}"),
    });
    short.collect()
}

async fn alice(test: &TestAccounts) -> Account {
    test.accounts
        .find_handle(&"alice.test".parse().unwrap())
        .await
        .unwrap()
        .unwrap()
}

async fn activate(test: &TestAccounts, account: &Account) -> Result<(), ActivateError> {
    let activation = test.accounts.check_activation(account).await?;
    test.accounts.activate(activation).await
}

async fn rev(test: &TestAccounts) -> i64 {
    test.count("SELECT rev FROM repo").await
}

#[tokio::test]
async fn off_and_on_again_gives_a_fresh_commit_and_three_events() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    test.accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    let first_rev = rev(&test).await;

    test.accounts
        .deactivate(alice(&test).await.account_id, Some(5))
        .await
        .unwrap();
    let off = alice(&test).await;
    assert_eq!(off.status, AccountStatus::Deactivated);
    assert_eq!(test.count("SELECT delete_after FROM account").await, 5);
    assert_eq!(told(&test, 4), ["#account false deactivated"]);

    // The clock of this test has not moved: the new rev is greater all the same.
    activate(&test, &off).await.unwrap();
    assert!(alice(&test).await.status.is_active());
    let second_rev = rev(&test).await;
    assert!(second_rev > first_rev);
    assert_eq!(told(&test, 5), ["#account true ", "#identity alice.test", "#sync"]);

    test.clock.advance(Duration::from_secs(1));
    activate(&test, &alice(&test).await).await.unwrap();
    assert_eq!(
        rev(&test).await,
        second_rev,
        "an active account with a good head needs no new commit"
    );
    assert_eq!(told(&test, 8).len(), 3);
    assert!(test.accounts.is_did_valid(&off).await.unwrap());
}

#[tokio::test]
async fn a_repo_that_moved_in_gets_a_rev_after_those_before_the_move() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    test.accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    let first_rev = rev(&test).await;
    test.accounts
        .deactivate(alice(&test).await.account_id, None)
        .await
        .unwrap();
    // As an import of an older commit leaves it.
    let moved = test.test.store.change(|tx| {
        Box::pin(async move {
            sqlx::query("UPDATE repo SET rev_floor = rev + 5000000, rev = 5000000")
                .execute(tx.connection())
                .await?;
            Ok::<_, StoreError>(())
        })
    });
    moved.await.unwrap();
    activate(&test, &alice(&test).await).await.unwrap();
    assert!(rev(&test).await > first_rev + 5_000_000);
}

#[tokio::test]
async fn an_account_that_is_hosted_elsewhere_stays_off() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    test.accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    test.accounts
        .deactivate(alice(&test).await.account_id, None)
        .await
        .unwrap();
    let off = alice(&test).await;
    test.plc.move_elsewhere(&off.did);
    let error = activate(&test, &off).await.unwrap_err();
    assert!(matches!(error, ActivateError::Did(_)), "{error}");
    assert!(!test.accounts.is_did_valid(&off).await.unwrap());
    assert_eq!(alice(&test).await.status, AccountStatus::Deactivated);
    let taken_down = Account {
        status: AccountStatus::TakenDown,
        ..off
    };
    assert!(matches!(
        activate(&test, &taken_down).await,
        Err(ActivateError::TakenDown)
    ));
    assert_eq!(told(&test, 5), [""; 0]);
}
