//! Accounts whose DIDs exist: reserved keys, creation, and what the network hears.

use std::time::Duration;

use atproto_data::Did;

use crate::account::testing::TestAccounts;
use crate::account::{AccountStatus, CreateError, NewAccount, ReserveKeyError};

const RESERVED: &str = "SELECT count(*) FROM reserved_signing_key";

fn did() -> Did {
    "did:plc:ewvi7nxzyoun6zhxrhs64oiz".parse().unwrap()
}

async fn refusal(test: &TestAccounts, did: Did, request: NewAccount) -> String {
    test.accounts
        .create_for_did(did, request, None)
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn an_account_moves_in_silently_with_its_reserved_key() {
    let test = TestAccounts::open().await;
    let key = test.accounts.reserve_signing_key(Some(did())).await.unwrap();
    assert_eq!(
        test.accounts.reserve_signing_key(Some(did())).await.unwrap(),
        key,
        "the same each time"
    );
    let invite = test.invite(1).await;
    let created = test
        .accounts
        .create_for_did(did(), TestAccounts::request("alice", &invite), None)
        .await
        .unwrap();
    let account = created.session.account;
    assert_eq!((&account.did, account.status), (&did(), AccountStatus::Deactivated));
    let access = test.accounts.authenticate(&created.session.access_jwt).await.unwrap();
    assert_eq!(access.account, account);
    let credentials = test.accounts.recommended_credentials(&account).await.unwrap().unwrap();
    assert_eq!(credentials.signing_key(), Some(key.as_str()));
    assert!(test.test.published().is_empty());
    assert!(test.plc.living().is_empty(), "the DID is not ours to register");
    assert_eq!(test.count(RESERVED).await, 0);
    assert_eq!(test.count("SELECT count(*) FROM invite_code_use").await, 1);
    let due = async || test.accounts.due_for_deletion().await.unwrap().len();
    test.clock.advance(Duration::from_hours(30 * 24 - 1));
    assert_eq!(due().await, 0);
    test.clock.advance(Duration::from_hours(1));
    assert_eq!(due().await, 1, "a move that was given up");
}

#[tokio::test]
async fn without_a_reserved_key_there_is_a_new_one() {
    let test = TestAccounts::open().await;
    let invite = test.invite(2).await;
    for (name, did) in [
        ("alice", "did:web:alice.example.com"),
        ("bob", "did:web:bob.example.com"),
    ] {
        let request = TestAccounts::request(name, &invite);
        let created = test
            .accounts
            .create_for_did(did.parse().unwrap(), request, None)
            .await
            .unwrap();
        let credentials = test.accounts.recommended_credentials(&created.session.account).await;
        assert!(credentials.unwrap().unwrap().signing_key().is_some());
    }
    assert_eq!(
        test.count("SELECT count(DISTINCT public_key) FROM signing_key").await,
        2
    );
}

#[tokio::test]
async fn the_rules_of_new_accounts_hold() {
    let test = TestAccounts::open().await;
    let invite = test.invite(10).await;
    let request = |name| TestAccounts::request(name, &invite);
    test.accounts
        .create_for_did(did(), request("alice"), None)
        .await
        .unwrap();
    let other: Did = "did:web:bob.example.com".parse().unwrap();
    let with = |change: fn(&mut NewAccount)| {
        let mut request = TestAccounts::request("bob", &invite);
        change(&mut request);
        request
    };
    let cases = [
        (did(), request("bob"), format!("Account already exists: {}", did())),
        (
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"
                .parse()
                .unwrap(),
            request("bob"),
            "Only DIDs of the methods plc and web can have an account".to_owned(),
        ),
        (
            other.clone(),
            request("alice"),
            "Handle already taken: alice.test".to_owned(),
        ),
        (
            other.clone(),
            with(|r| r.email = Some("alice@mail.test".into())),
            "Email already taken".to_owned(),
        ),
        (
            other.clone(),
            with(|r| r.handle = "bob.example.com".parse().unwrap()),
            "External handle did not resolve to DID".to_owned(),
        ),
        (
            other.clone(),
            with(|r| r.handle = "admin.test".parse().unwrap()),
            "Reserved handle".to_owned(),
        ),
        (
            other.clone(),
            with(|r| r.invite_code = None),
            "No invite code provided".to_owned(),
        ),
        (
            other,
            with(|r| r.invite_code = Some("nope".into())),
            "Provided invite code not available".to_owned(),
        ),
    ];
    for (did, request, expected) in cases {
        assert_eq!(refusal(&test, did, request).await, expected);
    }
    assert_eq!(test.count("SELECT count(*) FROM account").await, 1);
    assert_eq!(test.count("SELECT count(*) FROM invite_code_use").await, 1);
}

#[tokio::test]
async fn of_many_at_once_one_moves_in() {
    let test = TestAccounts::open().await;
    let invite = test.invite(10).await;
    let tries = (0..8).map(|number| {
        let request = TestAccounts::request(&format!("alice{number}"), &invite);
        test.accounts.create_for_did(did(), request, None)
    });
    let outcomes = futures_util::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(_) | Err(CreateError::DidTaken(_))))
    );
    assert_eq!(test.count("SELECT count(*) FROM invite_code_use").await, 1);
}

#[tokio::test]
async fn reserved_keys_are_bounded_and_do_not_stay() {
    let test = TestAccounts::open().await;
    let key = test.accounts.reserve_signing_key(Some(did())).await.unwrap();
    let other = test.accounts.reserve_signing_key(None).await.unwrap();
    assert_ne!(test.accounts.reserve_signing_key(None).await.unwrap(), other);
    assert_eq!(test.count(RESERVED).await, 3);

    test.clock.advance(Duration::from_hours(7 * 24));
    test.accounts.reserve_signing_key(None).await.unwrap();
    assert_eq!(test.count(RESERVED).await, 1);
    assert_ne!(test.accounts.reserve_signing_key(Some(did())).await.unwrap(), key);

    let filled = test.test.store.change(|tx| {
        Box::pin(async move {
            let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99998) \
                       INSERT INTO reserved_signing_key SELECT 'did:web:' || i, 'did:key:z', x'00', sealing_key_id, $1 \
                       FROM n, sealing_key";
            sqlx::query(sql)
                .bind(crate::clock::fake::FakeClock::START + 604_900_000_000)
                .execute(tx.connection())
                .await?;
            Ok::<_, crate::store::StoreError>(())
        })
    });
    filled.await.unwrap();
    let refused = test.accounts.reserve_signing_key(None).await;
    assert!(matches!(refused, Err(ReserveKeyError::Full)), "nobody else's key goes");
    test.accounts.reserve_signing_key(Some(did())).await.unwrap();
    assert_eq!(test.count(RESERVED).await, 100_000);
}

#[tokio::test]
async fn a_handle_of_another_domain_comes_along_if_it_points_to_the_did() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    let mut request = TestAccounts::request("alice", &invite);
    request.handle = "alice.example.com".parse().unwrap();
    let other: Did = "did:web:alice.example.com".parse().unwrap();
    for points_to in [None, Some(&other)] {
        let refused = test.accounts.create_for_did(did(), request.clone(), points_to).await;
        assert!(matches!(refused, Err(CreateError::HandleNotProven)));
    }
    let created = test
        .accounts
        .create_for_did(did(), request, Some(&did()))
        .await
        .unwrap();
    assert_eq!(created.session.account.handle.as_str(), "alice.example.com");
}
