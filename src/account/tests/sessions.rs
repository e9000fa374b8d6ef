//! Logging in, refreshing and logging out.

use std::time::Duration;

use crate::account::testing::TestAccounts;
use crate::account::{Login, LoginError, Origin, RefreshError, Session, TokenError};
use crate::mail::Language;
use crate::store::StoreError;

const HOUR: Duration = Duration::from_hours(1);

pub(super) fn login(identifier: &str, password: &str) -> Login {
    Login {
        identifier: identifier.to_owned(),
        password: password.to_owned(),
        allow_takendown: false,
        from: Origin::Hidden,
        factor_token: None,
        language: Language::English,
    }
}

pub(super) async fn with_alice() -> (TestAccounts, Session) {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    let created = test
        .accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    (test, created.session)
}

pub(super) async fn execute(test: &TestAccounts, sql: &'static str) {
    let done = test.test.store.change(move |tx| {
        Box::pin(async move {
            sqlx::query(sql).execute(tx.connection()).await?;
            Ok::<_, StoreError>(())
        })
    });
    done.await.unwrap();
}

pub(super) async fn refreshed(test: &TestAccounts, refresh_jwt: &str) -> Result<Session, RefreshError> {
    test.accounts
        .refresh(test.accounts.read_refresh_token(refresh_jwt).unwrap())
        .await
}

#[tokio::test]
async fn handle_did_and_address_in_any_case_let_in() {
    let (test, alice) = with_alice().await;
    for identifier in [
        "alice.test",
        "Alice.TEST",
        "alice@mail.test",
        "ALICE@mail.test",
        alice.account.did.as_str(),
    ] {
        let session = test.accounts.log_in(login(identifier, "alice-pass")).await.unwrap();
        assert_eq!(session.account, alice.account, "{identifier}");
        assert!(test.accounts.authenticate(&session.access_jwt).await.is_ok());
    }
}

#[tokio::test]
async fn nobody_can_tell_a_wrong_password_from_an_unknown_account() {
    let (test, _) = with_alice().await;
    let long = "x".repeat(513);
    for (identifier, password, expected) in [
        ("alice.test", "nope", "Invalid identifier or password"),
        ("nobody.test", "nope", "Invalid identifier or password"),
        ("@alice.test", "alice-pass", "Invalid identifier or password"),
        ("", "x", "Invalid identifier or password"),
        ("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "", "Invalid identifier or password"),
        (
            "alice.test",
            &long,
            "Password too long. Consider resetting your password.",
        ),
    ] {
        let error = test.accounts.log_in(login(identifier, password)).await.unwrap_err();
        assert_eq!(error.to_string(), expected, "{identifier}");
        // The clock of this test stands still but for this.
        assert_eq!(test.clock.slept().last(), Some(&Duration::from_millis(350)));
    }
}

#[tokio::test]
async fn an_account_without_a_password_lets_nobody_in() {
    let (test, _) = with_alice().await;
    execute(&test, "UPDATE account SET password_hash = NULL").await;
    for password in ["", "alice-pass"] {
        let error = test.accounts.log_in(login("alice.test", password)).await.unwrap_err();
        assert!(matches!(error, LoginError::Wrong));
    }
}

#[tokio::test]
async fn hashes_of_the_reference_are_replaced_at_login() {
    let (test, _) = with_alice().await;
    execute(
        &test,
        "UPDATE account SET password_hash = '00112233445566778899aabbccddeeff:67bf50310292c39d1895ee3bf25c3ac2535ab2d2645950e\
         4ade8ed0c9c8ec16802e3950e7be8c5dd813e97b2f90ff8f64637abb6898d92fd8a16d09be91ed861'",
    )
    .await;
    assert!(test.accounts.log_in(login("alice.test", "alice-pass")).await.is_err());
    for _ in 0..2 {
        test.accounts.log_in(login("alice.test", "hunter2")).await.unwrap();
        assert_eq!(
            test.count("SELECT count(*) FROM account WHERE password_hash LIKE '$argon2id$%'")
                .await,
            1
        );
    }
}

#[tokio::test]
async fn logging_out_ends_access_tokens_too_and_no_other_session() {
    let (test, alice) = with_alice().await;
    let other = test.accounts.log_in(login("alice.test", "alice-pass")).await.unwrap();
    test.clock.advance(HOUR);
    let refreshed_session = refreshed(&test, &alice.refresh_jwt).await.unwrap();
    let token = test
        .accounts
        .read_refresh_token_even_if_expired(&alice.refresh_jwt)
        .unwrap();
    for _ in 0..2 {
        test.accounts.log_out(token.clone()).await.unwrap();
    }
    for access_jwt in [&alice.access_jwt, &refreshed_session.access_jwt] {
        assert!(matches!(
            test.accounts.authenticate(access_jwt).await,
            Err(TokenError::Revoked)
        ));
    }
    assert!(matches!(
        refreshed(&test, &refreshed_session.refresh_jwt).await,
        Err(RefreshError::Revoked)
    ));
    assert!(test.accounts.authenticate(&other.access_jwt).await.is_ok());
}

#[tokio::test]
async fn tokens_end_with_their_time() {
    let (test, alice) = with_alice().await;
    test.clock.advance(2 * HOUR);
    assert!(matches!(
        test.accounts.authenticate(&alice.access_jwt).await,
        Err(TokenError::Expired)
    ));
    test.clock.advance(90 * 24 * HOUR);
    assert!(matches!(
        test.accounts.read_refresh_token(&alice.refresh_jwt),
        Err(TokenError::Expired)
    ));
    assert!(
        test.accounts
            .read_refresh_token_even_if_expired(&alice.refresh_jwt)
            .is_ok()
    );
    assert_eq!(test.accounts.remove_expired_sessions().await.unwrap(), 1);
    assert_eq!(test.count("SELECT count(*) FROM refresh_token").await, 0);
}

#[tokio::test]
async fn tokens_without_a_session_hold_until_the_cut_off() {
    let (test, alice) = with_alice().await;
    let token = test.accounts.sessionless_token(&alice.account.did);
    let access = test.accounts.authenticate(&token).await.unwrap();
    assert_eq!(access.session_id, None);
    execute(&test, "UPDATE account SET tokens_cut_off = created_at").await;
    assert!(matches!(
        test.accounts.authenticate(&token).await,
        Err(TokenError::Revoked)
    ));
    assert!(
        test.accounts.authenticate(&alice.access_jwt).await.is_ok(),
        "sessions end on their own"
    );
    test.clock.advance(Duration::from_secs(1));
    let later = test.accounts.sessionless_token(&alice.account.did);
    assert!(test.accounts.authenticate(&later).await.is_ok());
    let gone = test
        .accounts
        .sessionless_token(&"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap());
    assert!(matches!(
        test.accounts.authenticate(&gone).await,
        Err(TokenError::UnknownAccount(_))
    ));
}

#[tokio::test]
async fn a_taken_down_account_gets_a_session_only_if_it_asks_for_one() {
    let (test, alice) = with_alice().await;
    execute(&test, "UPDATE account SET takedown_ref = 'test'").await;
    let error = test
        .accounts
        .log_in(login("alice.test", "alice-pass"))
        .await
        .unwrap_err();
    assert!(matches!(error, LoginError::TakenDown));
    assert!(matches!(
        refreshed(&test, &alice.refresh_jwt).await,
        Err(RefreshError::TakenDown)
    ));
    let wrong = Login {
        allow_takendown: true,
        ..login("alice.test", "nope")
    };
    assert!(matches!(test.accounts.log_in(wrong).await, Err(LoginError::Wrong)));
    let leaving = Login {
        allow_takendown: true,
        ..login("alice.test", "alice-pass")
    };
    let session = test.accounts.log_in(leaving).await.unwrap();
    let access = test.accounts.authenticate(&session.access_jwt).await.unwrap();
    assert_eq!(access.scope.as_str(), "com.atproto.takendown");
    assert!(matches!(
        refreshed(&test, &session.refresh_jwt).await,
        Err(RefreshError::TakenDown)
    ));
}

#[tokio::test]
async fn a_domain_in_any_script_is_one_address() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    let mut request = TestAccounts::request("alice", &invite);
    request.email = Some("Alice@Müller.de".to_owned());
    let created = test.accounts.create(request).await.unwrap();
    assert_eq!(created.session.account.email, "alice@xn--mller-kva.de");
    for identifier in ["alice@MÜLLER.de", "alice@xn--mller-kva.de"] {
        let session = test.accounts.log_in(login(identifier, "alice-pass")).await.unwrap();
        assert_eq!(session.account, created.session.account, "{identifier}");
    }
    assert!(test.accounts.find_email("alice@müller.de").await.unwrap().is_some());
}

#[tokio::test]
async fn waiting_does_not_tell_whose_address_it_is() {
    let (test, _) = with_alice().await;
    let mut slept = Vec::new();
    for [address, handle] in [["alice@mail.test", "alice.test"], ["nobody@mail.test", "nobody.test"]] {
        let before = test.clock.slept().len();
        for _ in 0..6 {
            for identifier in [address, &address.to_uppercase(), handle] {
                assert!(test.accounts.log_in(login(identifier, "nope")).await.is_err());
            }
        }
        slept.push(test.clock.slept().split_off(before));
    }
    assert_eq!(slept[0], slept[1]);
    assert!(slept[0].contains(&Duration::from_secs(2)), "{slept:?}");
}
