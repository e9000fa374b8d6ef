//! Codes that are mailed, and what they are good for.

use std::time::Duration;

use crate::account::testing::{Fault, TestAccounts};
use crate::account::{
    Account, ConfirmEmailError, DeletionError, EmailError, EmailTokenError, EmailUpdate, NewPasswordError, Origin,
    PlcChanges, PlcOperationError, ResetPasswordError, TokenError, UpdateEmailError,
};
use crate::clock::Clock as _;
use crate::mail::{Code, Language};

async fn alice(test: &TestAccounts) -> Account {
    let invite = test.invite(2).await;
    let created = test.accounts.create(TestAccounts::request("alice", &invite)).await;
    created.unwrap().session.account
}

async fn found(test: &TestAccounts) -> Account {
    let found = test.accounts.find_handle(&"alice.test".parse().unwrap()).await;
    found.unwrap().unwrap()
}

async fn code(test: &TestAccounts, account: &Account, code: Code) -> String {
    test.accounts.issue_code(account, code).await.unwrap()
}

#[tokio::test]
async fn a_code_has_the_form_that_the_app_takes_and_is_kept_as_a_hash() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let text = code(&test, &alice, Code::ConfirmEmail).await;
    let parts: Vec<_> = text.split('-').collect();
    let is_part = |part: &&str| part.len() == 5 && part.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    assert!(parts.len() == 2 && parts.iter().all(is_part), "{text}");
    let length = test.count("SELECT length(keyed_hash) FROM email_token").await;
    assert_eq!(length, 32);
}

#[tokio::test]
async fn a_code_is_good_once_for_its_purpose_and_its_account_in_any_case() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let invite = test.invite(1).await;
    let bob = test.accounts.create(TestAccounts::request("bob", &invite)).await;
    let bob = bob.unwrap().session.account;
    let text = code(&test, &alice, Code::ConfirmEmail).await;
    let confirm =
        async |account: &Account, text: &str| test.accounts.confirm_email(account, &account.email, text).await;
    let invalid = |result| matches!(result, Err(ConfirmEmailError::Token(EmailTokenError::Invalid)));
    assert!(invalid(confirm(&bob, &text).await));
    let other = test
        .accounts
        .check_code(alice.account_id, Code::UpdateEmail, &text)
        .await;
    assert!(matches!(other, Err(EmailTokenError::Invalid)));
    let other = test.accounts.confirm_email(&alice, "other@mail.test", &text).await;
    assert!(matches!(other, Err(ConfirmEmailError::OtherEmail)));
    confirm(&alice, &format!(" {} ", text.to_ascii_lowercase()))
        .await
        .unwrap();
    assert!(found(&test).await.email_confirmed);
    assert!(invalid(confirm(&alice, &text).await), "good once");
}

#[tokio::test]
async fn a_new_code_ends_the_old_one_and_time_ends_both() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let old = code(&test, &alice, Code::ConfirmEmail).await;
    let new = code(&test, &alice, Code::ConfirmEmail).await;
    let check = async |text: &str| {
        test.accounts
            .check_code(alice.account_id, Code::ConfirmEmail, text)
            .await
    };
    assert!(matches!(check(&old).await, Err(EmailTokenError::Invalid)));
    test.clock.advance(Duration::from_mins(15) - Duration::from_micros(1));
    check(&new).await.unwrap();
    test.clock.advance(Duration::from_micros(1));
    assert!(matches!(check(&new).await, Err(EmailTokenError::Expired)));
    let by_code = test.accounts.confirm_email_by_code(&new).await;
    assert!(matches!(by_code, Err(EmailTokenError::Expired)));
    assert!(!found(&test).await.email_confirmed);
}

#[tokio::test]
async fn five_wrong_tries_end_a_code() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let text = code(&test, &alice, Code::DeleteAccount).await;
    let check = async |text: &str| {
        test.accounts
            .check_code(alice.account_id, Code::DeleteAccount, text)
            .await
    };
    for _ in 0..4 {
        assert!(matches!(check("AAAAA-AAAAA").await, Err(EmailTokenError::Invalid)));
    }
    check(&text).await.unwrap();
    assert!(matches!(
        check(&"A".repeat(10_000)).await,
        Err(EmailTokenError::Invalid)
    ));
    assert!(matches!(check(&text).await, Err(EmailTokenError::Invalid)), "ended");
}

#[tokio::test]
async fn wrong_tries_at_the_same_time_are_counted_exactly() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let text = code(&test, &alice, Code::DeleteAccount).await;
    let guesses: Vec<String> = (0..20).map(|guess| format!("AAAAA-{guess:05}")).collect();
    let check = |text| test.accounts.check_code(alice.account_id, Code::DeleteAccount, text);
    // Four wrong ones leave it good, whoever else tries meanwhile; of more than four none may be the right one.
    let (wrong, right) = (&guesses[..4], &text);
    let results = futures_util::future::join_all(wrong.iter().chain([right]).map(|text| check(text))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let results = futures_util::future::join_all(guesses.iter().chain([right]).map(|text| check(text))).await;
    assert!(results.iter().all(Result::is_err));
    assert_eq!(test.count("SELECT wrong_tries FROM email_token").await, 5);
}

#[tokio::test]
async fn strangers_neither_flood_an_owner_with_codes_nor_keep_one_away() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let mut good_codes = Vec::new();
    let mut letters = Vec::new();
    // Somebody asks every minute, for two hours.
    for minute in 0..120 {
        let asked = test.accounts.request_password_reset(&alice.email, Language::English);
        asked.await.unwrap();
        let count = test.count("SELECT count(*) FROM outgoing_mail").await;
        if letters.len() < usize::try_from(count).unwrap() {
            letters.push(minute);
        }
        let age = test.clock.now_micros() - test.count("SELECT requested_at FROM email_token").await;
        good_codes.push(age < 15 * 60 * 1_000_000);
        test.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(letters, [0, 1, 3, 7, 15, 30, 45, 60, 75, 90, 105]);
    assert!(
        good_codes.iter().all(|good| *good),
        "the owner can always use the newest letter"
    );

    test.clock.advance(Duration::from_hours(24));
    for _ in 0..2 {
        let asked = test.accounts.request_password_reset(&alice.email, Language::English);
        asked.await.unwrap();
        test.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(test.count("SELECT count(*) FROM outgoing_mail").await, 13, "a new day");
}

#[tokio::test]
async fn a_confirmed_address_is_changed_only_with_a_code() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let update = async |address: &str, token: Option<&str>| {
        let change = EmailUpdate {
            address: address.to_owned(),
            factor: None,
            token: token.map(str::to_owned),
        };
        test.accounts.update_email(&alice, change).await
    };
    update("first@mail.test", None).await.unwrap();
    let confirmation = code(&test, &found(&test).await, Code::ConfirmEmail).await;
    test.accounts.confirm_email_by_code(&confirmation).await.unwrap();
    let refused = update("second@mail.test", None).await;
    assert!(matches!(refused, Err(UpdateEmailError::TokenRequired)));
    let text = code(&test, &found(&test).await, Code::UpdateEmail).await;
    let refused = update("second@mail.test", Some("AAAAA-AAAAA")).await;
    assert!(matches!(
        refused,
        Err(UpdateEmailError::Token(EmailTokenError::Invalid))
    ));
    let refused = update("second", Some(&text)).await;
    assert!(matches!(refused, Err(UpdateEmailError::Email(EmailError::Refused(_)))));
    update("second@mail.test", Some(&text)).await.unwrap();
    let account = found(&test).await;
    assert_eq!(
        (account.email.as_str(), account.email_confirmed),
        ("second@mail.test", false)
    );
    assert_eq!(test.count("SELECT count(*) FROM email_token").await, 0);
    // A request that was on its way with the former address.
    let late = test
        .accounts
        .mail_code(&alice, Code::ResetPassword, Language::default());
    late.await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM email_token").await, 0);
}

#[tokio::test]
async fn a_reset_password_ends_all_sessions() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    let created = test.accounts.create(TestAccounts::request("alice", &invite)).await;
    let session = created.unwrap().session;
    let text = code(&test, &session.account, Code::ResetPassword).await;
    let refused = test.accounts.reset_password("AAAAA-AAAAA", "new").await;
    assert!(matches!(
        refused,
        Err(ResetPasswordError::Token(EmailTokenError::Invalid))
    ));
    let refused = test.accounts.reset_password(&text, "").await;
    assert!(matches!(
        refused,
        Err(ResetPasswordError::Password(NewPasswordError::Empty))
    ));
    let refused = test.accounts.reset_password(&text, &"x".repeat(257)).await;
    assert!(matches!(
        refused,
        Err(ResetPasswordError::Password(NewPasswordError::TooLong))
    ));
    test.accounts.reset_password(&text, "new").await.unwrap();
    let ended = test.accounts.authenticate(&session.access_jwt).await;
    assert!(matches!(ended, Err(TokenError::Revoked)), "{ended:?}");
    let again = test.accounts.reset_password(&text, "newer").await;
    assert!(matches!(
        again,
        Err(ResetPasswordError::Token(EmailTokenError::Invalid))
    ));
}

#[tokio::test]
async fn a_reset_is_mailed_only_to_an_address_that_somebody_has() {
    let test = TestAccounts::open().await;
    alice(&test).await;
    let request = async |address| test.accounts.request_password_reset(address, Language::English).await;
    request("nobody@mail.test").await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM outgoing_mail").await, 0);
    request("ALICE@mail.test").await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM outgoing_mail").await, 1);
}

#[tokio::test]
async fn deletion_needs_the_password_and_the_code() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let text = code(&test, &alice, Code::DeleteAccount).await;
    let check = async |password: &str, token: &str| {
        test.accounts
            .check_deletion(&alice, password, token, Origin::Hidden)
            .await
    };
    for _ in 0..6 {
        assert!(matches!(check("wrong", "AAAAA-AAAAA").await, Err(DeletionError::Wrong)));
    }
    let refused = check("alice-pass", "AAAAA-AAAAA").await;
    assert!(matches!(refused, Err(DeletionError::Token(EmailTokenError::Invalid))));
    check("alice-pass", &text).await.unwrap();

    // Guessing the password costs as much as at a login: ten wrong ones are free.
    let waited = test.clock.slept().len();
    for _ in 0..6 {
        assert!(matches!(check("wrong", &text).await, Err(DeletionError::Wrong)));
    }
    let waits = test.clock.slept()[waited..].to_vec();
    assert_eq!(waits, [1, 2].map(std::time::Duration::from_secs));
}

#[tokio::test]
async fn an_operation_is_signed_for_a_code_and_must_leave_the_account_here() {
    let test = TestAccounts::open().await;
    let alice = alice(&test).await;
    let before = test.plc.last(&alice.did).unwrap();
    let text = code(&test, &alice, Code::PlcOperation).await;
    let sign = async |changes: PlcChanges| test.accounts.sign_plc_operation(&alice, &text, changes).await;
    test.plc.set(Fault::Down);
    assert!(matches!(
        sign(PlcChanges::default()).await,
        Err(PlcOperationError::Plc(_))
    ));
    test.plc.set(Fault::None);
    let moved = PlcChanges {
        also_known_as: Some(vec!["at://elsewhere.test".to_owned()]),
        ..PlcChanges::default()
    };
    let moved = sign(moved).await.unwrap();
    assert_eq!(moved.prev(), Some(before.cid()));
    let again = sign(PlcChanges::default()).await;
    assert!(matches!(again, Err(PlcOperationError::Token(EmailTokenError::Invalid))));
    let refused = test.accounts.submit_plc_operation(&alice, moved).await;
    assert!(matches!(
        refused,
        Err(PlcOperationError::Refused("Incorrect handle in alsoKnownAs"))
    ));

    let text = code(&test, &alice, Code::PlcOperation).await;
    let same = test
        .accounts
        .sign_plc_operation(&alice, &text, PlcChanges::default())
        .await;
    let same = same.unwrap();
    // The directory takes it, but its answer is lost.
    test.plc.set(Fault::LosesAnswers);
    test.accounts.submit_plc_operation(&alice, same.clone()).await.unwrap();
    assert_eq!(test.plc.last(&alice.did), Some(same));
}
