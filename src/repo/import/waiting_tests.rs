//! What happens to an account between the check of its CAR and the moment of its import.

#![expect(clippy::unwrap_used, reason = "tests")]

use futures_util::FutureExt as _;

use super::ImportError;
use super::tests::{execute, import, removed, repo};
use crate::repo::RepoError;
use crate::repo::testing::{TestRepos, create};

#[tokio::test]
async fn what_happens_to_an_account_while_its_import_waits_counts() {
    let test = TestRepos::open().await;
    let account = test.account('a').await;
    test.write(&account, vec![create("com.example.a/0", 9)]).await.unwrap();
    let lock = test.repos.0.locks.lock(account.repo_id).await;
    let car = repo('a', 5).car();
    let mut running = Box::pin(import(&test, &account, &car));
    // Its rows are there: it waits for the lock.
    while test.test.integer("SELECT count(*) FROM record").await < 6 {
        assert!((&mut running).now_or_never().is_none());
    }
    execute(&test, "UPDATE record SET takedown_ref = 'because' WHERE repo_id = 1").await;
    let mut exclusive = Box::pin(test.repos.exclusively(account.account_id, async {}));
    for _ in 0..1_000 {
        assert!((&mut exclusive).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(lock);
    running.await.unwrap();
    exclusive.await.unwrap();
    let taken_down = "SELECT count(*) FROM record WHERE takedown_ref = 'because' AND repo_id > 1";
    assert_eq!(test.test.integer(taken_down).await, 1);
}

#[tokio::test]
async fn an_account_that_is_deleted_while_its_import_waits_stays_deleted() {
    let test = TestRepos::open().await;
    let account = test.account('a').await;
    let lock = test.repos.0.locks.lock(account.repo_id).await;
    let car = repo('a', 5).car();
    let mut running = Box::pin(import(&test, &account, &car));
    while test.test.integer("SELECT count(*) FROM record").await < 5 {
        assert!((&mut running).now_or_never().is_none());
    }
    execute(&test, "DELETE FROM account").await;
    execute(&test, "DELETE FROM signing_key").await;
    drop(lock);
    assert!(matches!(running.await, Err(ImportError::HeadMoved)));
    removed(&test).await;
    assert_eq!(test.test.integer("SELECT count(*) FROM record").await, 0);
    let exclusive = test.repos.exclusively(account.account_id, async {});
    assert!(matches!(exclusive.await, Err(RepoError::NotFound)));
}
