//! Refreshing: one next token for each, and what becomes of tokens that come back.

use std::time::Duration;

use super::sessions::{login, refreshed, with_alice};
use crate::account::{RefreshError, TokenError};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn refreshing_keeps_the_session_and_gives_one_next_token() {
    let (test, alice) = with_alice().await;
    test.clock.advance(HOUR);
    let second = refreshed(&test, &alice.refresh_jwt).await.unwrap();
    assert_ne!(second.refresh_jwt, alice.refresh_jwt);
    assert_ne!(second.access_jwt, alice.access_jwt);
    test.clock.advance(HOUR);
    let again = refreshed(&test, &alice.refresh_jwt).await.unwrap();
    assert_eq!(again.refresh_jwt, second.refresh_jwt, "the same next token");
    let first = test.accounts.authenticate(&again.access_jwt).await.unwrap();
    let other = test.accounts.authenticate(&second.access_jwt).await.unwrap();
    assert_eq!(first.session_id, other.session_id);

    assert_eq!(test.count("SELECT count(*) FROM session").await, 1);
}

#[tokio::test]
async fn a_token_that_comes_back_after_its_grace_ends_the_session_for_all() {
    let (test, alice) = with_alice().await;
    let other = test.accounts.log_in(login("alice.test", "alice-pass")).await.unwrap();
    let second = refreshed(&test, &alice.refresh_jwt).await.unwrap();
    let third = refreshed(&test, &second.refresh_jwt).await.unwrap();
    test.clock.advance(2 * HOUR + Duration::from_secs(1));
    let fourth = refreshed(&test, &third.refresh_jwt).await.unwrap();
    let replayed = refreshed(&test, &alice.refresh_jwt).await;
    assert!(matches!(replayed, Err(RefreshError::Revoked)), "its grace is over");
    let refused = test.accounts.authenticate(&fourth.access_jwt).await;
    assert!(matches!(refused, Err(TokenError::Revoked)), "{refused:?}");
    for token in [&fourth.refresh_jwt, &third.refresh_jwt] {
        assert!(matches!(refreshed(&test, token).await, Err(RefreshError::Revoked)));
    }
    assert!(
        refreshed(&test, &other.refresh_jwt).await.is_ok(),
        "another session goes on"
    );
}

#[tokio::test]
async fn used_tokens_are_remembered_in_bounds() {
    let (test, alice) = with_alice().await;
    let mut session = alice.clone();
    for _ in 0..60 {
        session = refreshed(&test, &session.refresh_jwt).await.unwrap();
        test.clock.advance(3 * HOUR);
    }
    session = refreshed(&test, &session.refresh_jwt).await.unwrap();
    // Those that are over, the one that was used just now and its successor.
    assert_eq!(test.count("SELECT count(*) FROM refresh_token").await, 50 + 2);
    let forgotten = refreshed(&test, &alice.refresh_jwt).await;
    assert!(matches!(forgotten, Err(RefreshError::Revoked)));
    assert!(refreshed(&test, &session.refresh_jwt).await.is_ok());
}

#[tokio::test]
async fn parallel_refreshes_make_one_line() {
    let (test, alice) = with_alice().await;
    let outcomes = futures_util::future::join_all((0..20).map(|_| refreshed(&test, &alice.refresh_jwt))).await;
    let first = outcomes[0].as_ref().unwrap().refresh_jwt.clone();
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap().refresh_jwt == first)
    );
    assert_eq!(test.count("SELECT count(*) FROM refresh_token").await, 2);
}
