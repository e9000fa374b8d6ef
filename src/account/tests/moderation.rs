//! Takedowns, deletions and what administrators see and change.

use std::time::Duration;

use atproto_repo::frame::Frame;

use crate::account::testing::TestAccounts;
use crate::account::{
    Account, AccountSearch, AccountStatus, CreateError, Deletion, EmailError, Login, LoginError, NewPasswordError,
    Origin, RefreshError, Session, Takedown, TokenError,
};
use crate::identity::HandleRefused;
use crate::mail::Language;

async fn alice(test: &TestAccounts) -> Session {
    let invite = test.invite(2).await;
    let created = test.accounts.create(TestAccounts::request("alice", &invite)).await;
    created.unwrap().session
}

async fn found(test: &TestAccounts) -> Account {
    let found = test.accounts.find_handle(&"alice.test".parse().unwrap()).await;
    found.unwrap().unwrap()
}

fn log_in(password: &str) -> Login {
    Login {
        identifier: "alice.test".to_owned(),
        password: password.to_owned(),
        allow_takendown: false,
        from: Origin::Hidden,
        factor_token: None,
        language: Language::English,
    }
}

/// The last event.
fn told(test: &TestAccounts) -> (bool, Option<&'static str>) {
    let last = test.test.published().pop().unwrap();
    match Frame::decode(&last.frame).unwrap() {
        Frame::Account { active, status, .. } => (active, status.map(atproto_repo::AccountStatus::as_str)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_takedown_ends_sessions_at_once_and_can_be_lifted() {
    let test = TestAccounts::open().await;
    let session = alice(&test).await;
    let account = session.account.clone();
    let sessionless = test.accounts.sessionless_token(&account.did);
    let set = async |takedown| test.accounts.set_takedown(account.account_id, takedown).await.unwrap();

    set(Takedown::Applied(Some("case 1".to_owned()))).await;
    assert_eq!(found(&test).await.status, AccountStatus::TakenDown);
    assert_eq!(told(&test), (false, Some("takendown")));
    for token in [&session.access_jwt, &sessionless] {
        let refused = test.accounts.authenticate(token).await;
        assert!(matches!(refused, Err(TokenError::TakenDown)), "{refused:?}");
    }
    let refresh = test.accounts.read_refresh_token(&session.refresh_jwt).unwrap();
    let refused = test.accounts.refresh(refresh.clone()).await;
    assert!(matches!(refused, Err(RefreshError::TakenDown)), "{refused:?}");
    let refused = test.accounts.log_in(log_in("alice-pass")).await;
    assert!(matches!(refused, Err(LoginError::TakenDown)));
    let seen = test
        .accounts
        .moderated(std::slice::from_ref(&account.did))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(seen.takedown.as_deref(), Some("case 1"));

    test.accounts.deactivate(account.account_id, None).await.unwrap();
    assert_eq!(told(&test), (false, Some("takendown")), "taken down first of all");
    set(Takedown::Lifted).await;
    assert_eq!(told(&test), (false, Some("deactivated")));
    let refused = test.accounts.authenticate(&session.access_jwt).await;
    assert!(matches!(refused, Err(TokenError::Revoked)), "ended for good");
    assert!(matches!(
        test.accounts.refresh(refresh).await,
        Err(RefreshError::Revoked)
    ));
    test.accounts.log_in(log_in("alice-pass")).await.unwrap();
}

#[tokio::test]
async fn a_takedown_without_a_reference_is_named_by_its_time() {
    let test = TestAccounts::open().await;
    let reference = test.accounts.takedown_reference(Takedown::Applied(None));
    assert_eq!(reference.as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(test.accounts.takedown_reference(Takedown::Lifted), None);
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once_and_its_handle_kept_back() {
    let test = TestAccounts::open().await;
    let session = alice(&test).await;
    let account = session.account.clone();
    let delete = async || test.accounts.delete(account.account_id, Deletion::Asked).await.unwrap();
    assert!(delete().await);
    assert!(!delete().await);
    assert_eq!(told(&test), (false, Some("deleted")));
    let refused = test.accounts.authenticate(&session.access_jwt).await;
    assert!(matches!(refused, Err(TokenError::UnknownAccount(_))));
    for sql in [
        "SELECT count(*) FROM account",
        "SELECT count(*) FROM session",
        "SELECT count(*) FROM refresh_token",
        "SELECT count(*) FROM signing_key",
    ] {
        assert_eq!(test.count(sql).await, 0, "{sql}");
    }
    let remains = test.accounts.remains().await.unwrap();
    assert_eq!((remains.len(), remains[0].repo_id), (1, account.repo_id));
    test.accounts.forget_remains(account.repo_id).await.unwrap();
    assert_eq!(
        test.accounts.remains().await.unwrap(),
        remains,
        "the newest number stays taken"
    );

    let invite = test.invite(1).await;
    let again = async || test.accounts.create(TestAccounts::request("alice", &invite)).await;
    test.clock.advance(Duration::from_hours(30 * 24 - 1));
    let refused = again().await;
    assert!(
        matches!(refused, Err(CreateError::Handle(HandleRefused::KeptBack))),
        "{:?}",
        refused.err()
    );
    let handle = "alice.test".parse().unwrap();
    let of_the_same = test.accounts.handle_refusal(&handle, Some(&account.did)).await;
    assert_eq!(of_the_same.unwrap(), None, "whose it was may have it");
    test.clock.advance(Duration::from_hours(1));
    let again = again().await.unwrap().session.account;
    assert!(again.account_id > account.account_id && again.repo_id > account.repo_id);
    test.accounts.forget_remains(account.repo_id).await.unwrap();
    assert_eq!(test.accounts.remains().await.unwrap(), []);
    assert_eq!(test.count("SELECT count(*) FROM repo").await, 1);
}

#[tokio::test]
async fn accounts_are_deleted_when_their_date_has_come_unless_they_came_back() {
    let test = TestAccounts::open().await;
    let account = alice(&test).await.account;
    let date = crate::clock::fake::FakeClock::START + 1_000_000;
    let due = async || test.accounts.due_for_deletion().await.unwrap().len();
    test.accounts.deactivate(account.account_id, Some(date)).await.unwrap();
    assert_eq!(due().await, 0);
    test.clock.advance(Duration::from_secs(1));
    assert_eq!(due().await, 1);
    test.accounts.deactivate(account.account_id, None).await.unwrap();
    let delete = async || test.accounts.delete(account.account_id, Deletion::Due).await.unwrap();
    assert!(!delete().await);
    test.accounts.deactivate(account.account_id, Some(date)).await.unwrap();
    assert!(delete().await);
    assert_eq!(due().await, 0);
}

#[tokio::test]
async fn email_and_password_are_changed() {
    let test = TestAccounts::open().await;
    let session = alice(&test).await;
    let invite = test.invite(1).await;
    test.accounts
        .create(TestAccounts::request("bob", &invite))
        .await
        .unwrap();
    let id = session.account.account_id;
    for (address, taken) in [
        ("nope", false),
        ("a@b.co\r\nBcc: x@y.zz", false),
        ("BOB@mail.test", true),
    ] {
        let refused = test.accounts.set_email(id, address.to_owned()).await;
        assert!(matches!(refused, Err(EmailError::Taken)) == taken, "{refused:?}");
        assert!(refused.is_err());
    }
    test.accounts
        .set_email(id, "Alice@Other.test".to_owned())
        .await
        .unwrap();
    assert_eq!(found(&test).await.email, "alice@other.test");

    let refused = test.accounts.set_password(id, "").await;
    assert!(matches!(refused, Err(NewPasswordError::Empty)));
    let refused = test.accounts.set_password(id, &"x".repeat(257)).await;
    assert!(matches!(refused, Err(NewPasswordError::TooLong)));
    test.accounts.set_password(id, "new").await.unwrap();
    let refused = test.accounts.authenticate(&session.access_jwt).await;
    assert!(matches!(refused, Err(TokenError::Revoked)));
    assert!(matches!(
        test.accounts.log_in(log_in("alice-pass")).await,
        Err(LoginError::Wrong)
    ));
    let again = test.accounts.log_in(log_in("new")).await.unwrap();
    test.accounts.authenticate(&again.access_jwt).await.unwrap();
}

#[tokio::test]
async fn accounts_are_found_by_their_address_with_the_codes_they_used() {
    let test = TestAccounts::open().await;
    let invite = test.invite(2).await;
    for name in ["alice", "bob"] {
        test.accounts
            .create(TestAccounts::request(name, &invite))
            .await
            .unwrap();
    }
    let search = async |email: Option<&str>, after, limit| {
        let search = AccountSearch {
            email: email.map(str::to_owned),
            after,
            limit,
        };
        test.accounts.search(&search).await.unwrap()
    };
    assert_eq!(search(None, 0, 10).await.len(), 2);
    let first = search(None, 0, 1).await.remove(0);
    assert_eq!(first.account.handle.as_str(), "alice.test");
    let invited_by = first.invited_by.unwrap();
    assert_eq!((invited_by.available_uses, invited_by.uses.len()), (2, 2));
    assert_eq!(first.invites, []);
    let second = search(None, first.account.account_id, 10).await;
    assert_eq!(second.len(), 1);
    assert_eq!(search(Some("BOB@"), 0, 10).await[0].account.did, second[0].account.did);
    for email in ["%", "_lice", "!", "nobody"] {
        assert_eq!(search(Some(email), 0, 10).await, [], "{email}");
    }
    let dids = [
        second[0].account.did.clone(),
        first.account.did.clone(),
        "did:web:x.test".parse().unwrap(),
    ];
    let both = test.accounts.moderated(&dids).await.unwrap();
    let handles: Vec<_> = both.iter().map(|found| found.account.handle.as_str()).collect();
    assert_eq!(handles, ["bob.test", "alice.test"]);
}
