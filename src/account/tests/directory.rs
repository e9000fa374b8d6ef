//! Creating accounts with a PLC directory that fails, in every way it can.

use std::time::Duration;

use crate::account::testing::{Fault, TestAccounts};
use crate::account::{CreateError, Settled};
use crate::identity::PlcError;

const ACCOUNTS: &str = "SELECT count(*) FROM account";
const PENDING: &str = "SELECT count(*) FROM pending_account";
const CREATING: &str = "SELECT count(*) FROM pending_account WHERE state = 'creating'";
const USES: &str = "SELECT count(*) FROM invite_code_use";

/// Older than what the job waits for.
const ELEVEN_MINUTES: Duration = Duration::from_mins(11);

#[tokio::test]
async fn a_directory_that_took_the_operation_is_believed() {
    for fault in [Fault::LosesAnswers, Fault::TakesAndRefuses] {
        let test = TestAccounts::open().await;
        let invite = test.invite(1).await;
        test.plc.set(fault);
        test.accounts
            .create(TestAccounts::request("alice", &invite))
            .await
            .unwrap();
        assert_eq!(
            (test.count(ACCOUNTS).await, test.count(PENDING).await),
            (1, 0),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn after_a_failure_the_same_request_succeeds_at_once() {
    for fault in [Fault::Down, Fault::Fails, Fault::Refuses, Fault::DiesAfterTaking] {
        let test = TestAccounts::open().await;
        let invite = test.invite(1).await;
        test.plc.set(fault);
        let error = test
            .accounts
            .create(TestAccounts::request("alice", &invite))
            .await
            .unwrap_err();
        assert!(matches!(error, CreateError::Plc(_)), "{error}");
        assert_eq!(
            (test.count(ACCOUNTS).await, test.count(USES).await),
            (0, 0),
            "{fault:?}"
        );
        assert!(test.test.published().is_empty());

        test.plc.set(Fault::None);
        test.accounts
            .create(TestAccounts::request("alice", &invite))
            .await
            .unwrap();
        let left = (
            test.count(ACCOUNTS).await,
            test.count(PENDING).await,
            test.plc.living().len(),
        );
        assert_eq!(left, (1, 0, 1), "{fault:?}: no DID without an account");
    }
}

#[tokio::test]
async fn after_a_failure_invite_and_handle_are_free_for_others() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    test.plc.set(Fault::DiesAfterTaking);
    let error = test
        .accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap_err();
    assert!(matches!(error, CreateError::Plc(PlcError::NoAnswer)), "{error}");
    test.plc.set(Fault::None);
    let mut other = TestAccounts::request("alice", &invite);
    other.email = Some("other@mail.test".to_owned());
    test.accounts.create(other).await.unwrap();
    assert_eq!(test.plc.living().len(), 2, "the first DID is nobody's");

    let nothing_yet = test.accounts.settle_abandoned().await.unwrap();
    assert_eq!(nothing_yet, Settled::default());
    test.clock.advance(ELEVEN_MINUTES);
    let settled = test.accounts.settle_abandoned().await.unwrap();
    assert_eq!(
        settled,
        Settled {
            tombstoned: 1,
            ..Settled::default()
        }
    );
    assert_eq!((test.plc.living().len(), test.count(PENDING).await), (1, 0));
}

#[tokio::test]
async fn what_nobody_comes_back_for_is_settled() {
    let test = TestAccounts::open().await;
    let invite = test.invite(10).await;
    for (name, fault) in [
        ("never-sent", Fault::Down),
        ("taken", Fault::DiesAfterTaking),
        ("refused", Fault::Refuses),
    ] {
        test.plc.set(fault);
        test.accounts
            .create(TestAccounts::request(name, &invite))
            .await
            .unwrap_err();
    }
    test.clock.advance(ELEVEN_MINUTES);
    assert_eq!(test.plc.living().len(), 1);
    test.plc.set(Fault::Down);
    assert_eq!(
        test.accounts.settle_abandoned().await.unwrap(),
        Settled {
            left: 3,
            ..Settled::default()
        }
    );
    test.plc.set(Fault::None);
    let settled = test.accounts.settle_abandoned().await.unwrap();
    assert_eq!(
        settled,
        Settled {
            forgotten: 2,
            tombstoned: 1,
            left: 0
        }
    );
    assert_eq!((test.plc.living().len(), test.count(PENDING).await), (0, 0));
}

#[tokio::test]
async fn a_client_that_goes_away_holds_nothing() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    test.plc.set(Fault::Hangs);
    let accounts = test.accounts.clone();
    let request = TestAccounts::request("alice", &invite);
    let waiting = tokio::spawn(async move { accounts.create(request).await.map(drop) });
    while test.count(CREATING).await == 0 {
        tokio::task::yield_now().await;
    }
    for (name, expected) in [
        ("alice", "Handle already taken: alice.test"),
        ("bob", "Provided invite code not available"),
    ] {
        let error = test
            .accounts
            .create(TestAccounts::request(name, &invite))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    while test.count(CREATING).await == 1 {
        tokio::task::yield_now().await;
    }
    test.plc.set(Fault::None);
    test.accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    assert_eq!((test.count(ACCOUNTS).await, test.count(PENDING).await), (1, 0));
}

#[tokio::test]
async fn what_a_killed_process_held_is_free_after_the_next_start() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    test.plc.set(Fault::DiesAfterTaking);
    test.accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap_err();
    let as_if_killed = test.test.store.change(|tx| {
        Box::pin(async move {
            sqlx::query("UPDATE pending_account SET state = 'creating'")
                .execute(tx.connection())
                .await?;
            Ok::<_, crate::store::StoreError>(())
        })
    });
    as_if_killed.await.unwrap();
    test.plc.set(Fault::None);
    assert_eq!(
        test.accounts
            .create(TestAccounts::request("alice", &invite))
            .await
            .unwrap_err()
            .to_string(),
        "Handle already taken: alice.test"
    );
    test.accounts.release_interrupted().await.unwrap();
    test.accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    assert_eq!(
        (
            test.count(ACCOUNTS).await,
            test.count(PENDING).await,
            test.plc.living().len()
        ),
        (1, 0, 1)
    );
}
