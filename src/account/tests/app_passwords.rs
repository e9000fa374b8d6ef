//! App passwords: made, used, revoked.

use super::sessions::{execute, login, refreshed, with_alice};
use crate::account::testing::TestAccounts;
use crate::account::{AppPasswordError, LoginError, Privilege, RefreshError, Session, TokenError};
use crate::session_scope::SessionScope;

async fn made(test: &TestAccounts, alice: &Session, name: &str, privilege: Privilege) -> String {
    let account_id = alice.account.account_id;
    let made = test
        .accounts
        .create_app_password(account_id, name.to_owned(), privilege)
        .await;
    made.unwrap().1
}

async fn logged_in(test: &TestAccounts, secret: &str) -> Result<Session, LoginError> {
    test.accounts.log_in(login("alice.test", secret)).await
}

#[tokio::test]
async fn an_app_password_lets_in_with_its_scope() {
    let (test, alice) = with_alice().await;
    for (name, privilege, scope) in [
        ("phone", Privilege::Ordinary, SessionScope::AppPass),
        ("chat", Privilege::Privileged, SessionScope::AppPassPrivileged),
    ] {
        let secret = made(&test, &alice, name, privilege).await;
        assert_eq!(
            secret.split('-').map(str::len).collect::<Vec<_>>(),
            [4, 4, 4, 4],
            "{secret}"
        );
        let session = logged_in(&test, &secret).await.unwrap();
        let next = refreshed(&test, &session.refresh_jwt).await.unwrap();
        for access_jwt in [session.access_jwt, next.access_jwt] {
            let access = test.accounts.authenticate(&access_jwt).await.unwrap();
            assert_eq!((access.scope, access.app_password.as_deref()), (scope, Some(name)));
        }
    }
    let stored = "SELECT count(*) FROM app_password WHERE length(keyed_hash) = 48";
    assert_eq!(test.count(stored).await, 2);
}

#[tokio::test]
async fn names_are_listed_newest_first_and_given_once() {
    let (test, alice) = with_alice().await;
    let account_id = alice.account.account_id;
    for name in ["one", "two"] {
        made(&test, &alice, name, Privilege::Ordinary).await;
        test.clock.advance(std::time::Duration::from_secs(1));
    }
    let listed = test.accounts.app_passwords(account_id).await.unwrap();
    assert_eq!(
        listed.iter().map(|password| password.name.as_str()).collect::<Vec<_>>(),
        ["two", "one"]
    );

    let create = |name: String| test.accounts.create_app_password(account_id, name, Privilege::Ordinary);
    assert!(matches!(
        create("one".to_owned()).await,
        Err(AppPasswordError::NameTaken)
    ));
    assert!(matches!(
        create("x".repeat(513)).await,
        Err(AppPasswordError::NameTooLong)
    ));
    for number in 2..200 {
        create(number.to_string()).await.unwrap();
    }
    assert!(matches!(
        create("more".to_owned()).await,
        Err(AppPasswordError::TooMany)
    ));
}

#[tokio::test]
async fn revoking_ends_its_sessions_at_once_and_no_others() {
    let (test, alice) = with_alice().await;
    let phone = made(&test, &alice, "phone", Privilege::Ordinary).await;
    let tablet = made(&test, &alice, "tablet", Privilege::Ordinary).await;
    let (on_phone, on_tablet) = (
        logged_in(&test, &phone).await.unwrap(),
        logged_in(&test, &tablet).await.unwrap(),
    );
    let sessionless = test.accounts.sessionless_token(&alice.account.did);
    for _ in 0..2 {
        let revoked = test
            .accounts
            .revoke_app_password(alice.account.account_id, "phone".to_owned());
        revoked.await.unwrap();
    }
    for token in [&on_phone.access_jwt, &sessionless] {
        assert!(matches!(
            test.accounts.authenticate(token).await,
            Err(TokenError::Revoked)
        ));
    }
    assert!(matches!(
        refreshed(&test, &on_phone.refresh_jwt).await,
        Err(RefreshError::Revoked)
    ));
    assert!(matches!(logged_in(&test, &phone).await, Err(LoginError::Wrong)));
    for session in [&on_tablet, &alice] {
        assert!(test.accounts.authenticate(&session.access_jwt).await.is_ok());
        assert!(refreshed(&test, &session.refresh_jwt).await.is_ok());
    }
}

#[tokio::test]
async fn it_opens_no_other_account_and_none_that_is_taken_down() {
    let (test, alice) = with_alice().await;
    let invite = test.invite(1).await;
    test.accounts
        .create(TestAccounts::request("bob", &invite))
        .await
        .unwrap();
    let secret = made(&test, &alice, "phone", Privilege::Ordinary).await;
    let as_bob = test.accounts.log_in(login("bob.test", &secret)).await;
    assert!(matches!(as_bob, Err(LoginError::Wrong)));
    execute(&test, "UPDATE account SET takedown_ref = 'test'").await;
    assert!(matches!(logged_in(&test, &secret).await, Err(LoginError::Wrong)));
}
