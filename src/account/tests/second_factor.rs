//! The second factor: a mailed code at login.

use std::time::Duration;

use super::sessions::{login, with_alice};
use crate::account::testing::TestAccounts;
use crate::account::{
    Account, EmailFactor, EmailTokenError, EmailUpdate, Login, LoginError, Privilege, UpdateEmailError,
};
use crate::mail::Code;

async fn found(test: &TestAccounts) -> Account {
    let found = test.accounts.find_handle(&"alice.test".parse().unwrap()).await;
    found.unwrap().unwrap()
}

async fn switch(test: &TestAccounts, factor: EmailFactor, token: Option<&str>) -> Result<(), UpdateEmailError> {
    let change = EmailUpdate {
        address: "Alice@mail.test".to_owned(),
        factor: Some(factor),
        token: token.map(str::to_owned),
    };
    test.accounts.update_email(&found(test).await, change).await
}

async fn with_factor() -> TestAccounts {
    let (test, _) = with_alice().await;
    let code = test
        .accounts
        .issue_code(&found(&test).await, Code::ConfirmEmail)
        .await
        .unwrap();
    test.accounts.confirm_email_by_code(&code).await.unwrap();
    switch(&test, EmailFactor::On, None).await.unwrap();
    test
}

fn with_code(code: &str) -> Login {
    Login {
        factor_token: Some(code.to_owned()),
        ..login("alice.test", "alice-pass")
    }
}

async fn mails(test: &TestAccounts) -> i64 {
    test.count("SELECT count(*) FROM outgoing_mail").await
}

#[tokio::test]
async fn it_needs_a_confirmed_address() {
    let (test, _) = with_alice().await;
    let refused = switch(&test, EmailFactor::On, None).await;
    assert!(matches!(refused, Err(UpdateEmailError::NotConfirmed)), "{refused:?}");
    switch(&test, EmailFactor::Off, None).await.unwrap();
    test.accounts.log_in(login("alice.test", "alice-pass")).await.unwrap();
}

#[tokio::test]
async fn logging_in_takes_a_code_that_is_mailed_to_those_who_know_the_password() {
    let test = with_factor().await;
    let account = found(&test).await;
    assert!(account.email_confirmed && account.email_factor);
    let wrong = test.accounts.log_in(login("alice.test", "wrong")).await;
    assert!(matches!(wrong, Err(LoginError::Wrong)));
    assert_eq!(mails(&test).await, 0);
    for _ in 0..2 {
        let asked = test.accounts.log_in(login("alice.test", "alice-pass")).await;
        assert!(matches!(asked, Err(LoginError::FactorRequired)));
    }
    assert_eq!(mails(&test).await, 1, "not one for every try");
    test.clock.advance(Duration::from_mins(1));
    let empty = test.accounts.log_in(with_code("")).await;
    assert!(matches!(empty, Err(LoginError::FactorRequired)));
    assert_eq!(mails(&test).await, 2);

    let code = test.accounts.issue_code(&account, Code::LogIn).await.unwrap();
    let wrong = test.accounts.log_in(with_code("AAAAA-AAAAA")).await;
    assert!(matches!(wrong, Err(LoginError::Factor(EmailTokenError::Invalid))));
    let mut stranger = with_code(&code);
    stranger.password = "wrong".to_owned();
    assert!(matches!(test.accounts.log_in(stranger).await, Err(LoginError::Wrong)));
    let session = test.accounts.log_in(with_code(&code)).await.unwrap();
    assert!(session.account.email_factor);
    let again = test.accounts.log_in(with_code(&code)).await;
    assert!(
        matches!(again, Err(LoginError::Factor(EmailTokenError::Invalid))),
        "good once"
    );
}

#[tokio::test]
async fn five_wrong_tries_end_the_code() {
    let test = with_factor().await;
    let code = test
        .accounts
        .issue_code(&found(&test).await, Code::LogIn)
        .await
        .unwrap();
    for _ in 0..5 {
        let wrong = test.accounts.log_in(with_code("AAAAA-AAAAA")).await;
        assert!(matches!(wrong, Err(LoginError::Factor(EmailTokenError::Invalid))));
    }
    let ended = test.accounts.log_in(with_code(&code)).await;
    assert!(matches!(ended, Err(LoginError::Factor(EmailTokenError::Invalid))));
    // Nor is there another one at once.
    let asked = test.accounts.log_in(login("alice.test", "alice-pass")).await;
    assert!(matches!(asked, Err(LoginError::FactorRequired)));
    assert_eq!(mails(&test).await, 0);
    test.clock.advance(Duration::from_mins(1));
    let asked = test.accounts.log_in(login("alice.test", "alice-pass")).await;
    assert!(matches!(asked, Err(LoginError::FactorRequired)));
    assert_eq!(mails(&test).await, 1);
}

#[tokio::test]
async fn the_password_alone_does_not_make_up_for_wrong_tries() {
    let test = with_factor().await;
    let floor = Duration::from_millis(350);
    let waits = |slept: Vec<Duration>| slept.into_iter().filter(|wait| *wait > floor).count();
    for _ in 0..10 {
        let asked = test.accounts.log_in(login("alice.test", "alice-pass")).await;
        assert!(matches!(asked, Err(LoginError::FactorRequired)));
    }
    assert_eq!(waits(test.clock.slept()), 0);
    let wrong = test.accounts.log_in(with_code("AAAAA-AAAAA")).await;
    assert!(matches!(wrong, Err(LoginError::Factor(EmailTokenError::Invalid))));
    assert_eq!(waits(test.clock.slept()), 1, "the eleventh try waits");
    let code = test
        .accounts
        .issue_code(&found(&test).await, Code::LogIn)
        .await
        .unwrap();
    test.accounts.log_in(with_code(&code)).await.unwrap();
    assert_eq!(waits(test.clock.slept()), 2);
}

#[tokio::test]
async fn app_passwords_do_without() {
    let test = with_factor().await;
    let account = found(&test).await;
    let (made, password) = test
        .accounts
        .create_app_password(account.account_id, "app".to_owned(), Privilege::Ordinary)
        .await
        .unwrap();
    assert_eq!(made.name, "app");
    test.accounts.log_in(login("alice.test", &password)).await.unwrap();
    assert_eq!(mails(&test).await, 0);
}

#[tokio::test]
async fn switching_it_off_takes_a_code_or_the_operator() {
    let test = with_factor().await;
    let refused = switch(&test, EmailFactor::Off, None).await;
    assert!(matches!(refused, Err(UpdateEmailError::TokenRequired)));
    let refused = switch(&test, EmailFactor::Off, Some("AAAAA-AAAAA")).await;
    assert!(matches!(
        refused,
        Err(UpdateEmailError::Token(EmailTokenError::Invalid))
    ));
    let code = test
        .accounts
        .issue_code(&found(&test).await, Code::UpdateEmail)
        .await
        .unwrap();
    switch(&test, EmailFactor::Off, Some(&code)).await.unwrap();
    let account = found(&test).await;
    assert!(account.email_confirmed && !account.email_factor);
    switch(&test, EmailFactor::On, None).await.unwrap();
    test.accounts.clear_email_factor(account.account_id).await.unwrap();
    test.accounts.log_in(login("alice.test", "alice-pass")).await.unwrap();
}
