//! Creating accounts: the rules, the events, many at once.

use atproto_repo::frame::Frame;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::account::testing::TestAccounts;
use crate::account::{CreateError, CreatedAccount, NewAccount};

const ACCOUNTS: &str = "SELECT count(*) FROM account";
const PENDING: &str = "SELECT count(*) FROM pending_account";
const USES: &str = "SELECT count(*) FROM invite_code_use";

async fn refusal(test: &TestAccounts, request: NewAccount) -> String {
    test.accounts.create(request).await.unwrap_err().to_string()
}

/// A request in a task of its own.
fn create_beside(test: &TestAccounts, request: NewAccount) -> JoinHandle<Result<CreatedAccount, CreateError>> {
    let accounts = test.accounts.clone();
    tokio::spawn(async move { accounts.create(request).await })
}

#[tokio::test]
async fn an_account_comes_with_repo_events_and_session() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    let mut request = TestAccounts::request("alice", &invite);
    request.email = Some("Alice@Mail.test".to_owned());
    let created = test.accounts.create(request).await.unwrap();
    let account = &created.session.account;
    assert_eq!(
        (account.handle.as_str(), account.email.as_str()),
        ("alice.test", "alice@mail.test")
    );
    assert_eq!(created.document.unwrap()["id"], account.did.as_str());
    assert_eq!(test.plc.living(), [account.did.as_str()]);
    assert_eq!(
        test.accounts.find_did(&account.did).await.unwrap().as_ref(),
        Some(account)
    );
    let access = test.accounts.authenticate(&created.session.access_jwt).await.unwrap();
    assert_eq!(&access.account, account);
    assert_eq!((test.count(PENDING).await, test.count(USES).await), (0, 1));

    let frames: Vec<Frame> = test
        .test
        .published()
        .iter()
        .map(|event| Frame::decode(&event.frame).unwrap())
        .collect();
    let [
        Frame::Identity { handle, .. },
        Frame::Account { active, .. },
        Frame::Commit(commit),
        Frame::Sync { rev, .. },
    ] = frames.as_slice()
    else {
        panic!("{frames:?}");
    };
    assert_eq!(handle.as_ref().unwrap().as_str(), "alice.test");
    assert!(*active);
    assert_eq!(
        (commit.rev, commit.since, commit.prev_data, commit.ops.len()),
        (*rev, None, None, 0)
    );
    assert_eq!(test.count("SELECT count(*) FROM repo WHERE last_event = 4").await, 1);
}

#[tokio::test]
async fn rules_are_told_in_the_words_of_the_reference() {
    let test = TestAccounts::open().await;
    let invite = test.invite(100).await;
    let once = test.invite(1).await;
    test.accounts
        .create(TestAccounts::request("alice", &once))
        .await
        .unwrap();
    let request = |change: fn(&mut NewAccount)| {
        let mut request = TestAccounts::request("bob", &invite);
        change(&mut request);
        request
    };
    let cases: [(NewAccount, &str); 15] = [
        (request(|r| r.invite_code = None), "No invite code provided"),
        (
            request(|r| r.invite_code = Some("nope".into())),
            "Provided invite code not available",
        ),
        (
            TestAccounts::request("bob", &once),
            "Provided invite code not available",
        ),
        (request(|r| r.email = None), "Email is required"),
        (
            request(|r| r.email = Some("nope".into())),
            "This email address is not supported, please use a different email.",
        ),
        (
            request(|r| r.email = Some("x@mailinator.com".into())),
            "This email address is not supported, please use a different email.",
        ),
        (
            request(|r| r.email = Some("jürgen@müller.de".into())),
            "Letters other than a-z before the @ are not supported, please use a different email.",
        ),
        (request(|r| r.password = Some(String::new())), "Password too short."),
        (
            request(|r| r.password = Some("x".repeat(257))),
            "Password too long. Maximum length is 256 characters.",
        ),
        (request(|r| r.handle = "admin.test".parse().unwrap()), "Reserved handle"),
        (
            request(|r| r.handle = "bob.example.com".parse().unwrap()),
            "Not a supported handle domain",
        ),
        (
            request(|r| r.handle = "ALICE.test".parse().unwrap()),
            "Handle already taken: alice.test",
        ),
        (
            request(|r| r.email = Some("alice@mail.test".into())),
            "Email already taken",
        ),
        (
            request(|r| r.email = Some("ALICE@mail.test".into())),
            "Email already taken",
        ),
        (
            request(|r| r.recovery_key = Some("did:key:z".into())),
            "The recovery key must be a did:key of a k256 or p256 key",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(refusal(&test, request).await, expected);
    }
    assert_eq!(
        (
            test.count(ACCOUNTS).await,
            test.count(PENDING).await,
            test.plc.living().len()
        ),
        (1, 0, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_for_one_handle() {
    let test = TestAccounts::open().await;
    let invite = test.invite(100).await;
    let requests = (0..50).map(|number| {
        let mut request = TestAccounts::request(if number % 2 == 0 { "alice" } else { "ALICE" }, &invite);
        request.email = Some(format!("alice{number}@mail.test"));
        create_beside(&test, request)
    });
    let outcomes: Vec<_> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.to_string(), "Handle already taken: alice.test");
    }
    assert_eq!(
        (
            test.count(ACCOUNTS).await,
            test.count(USES).await,
            test.plc.living().len()
        ),
        (1, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_with_one_invite() {
    let test = TestAccounts::open().await;
    let invite = test.invite(2).await;
    let requests = (0..50).map(|number| create_beside(&test, TestAccounts::request(&format!("user{number}"), &invite)));
    let outcomes: Vec<_> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.to_string(), "Provided invite code not available");
    }
    assert_eq!(
        (
            test.count(ACCOUNTS).await,
            test.count(USES).await,
            test.plc.living().len()
        ),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn invite_codes_look_like_those_of_the_reference() {
    let test = TestAccounts::open().await;
    let owners = vec!["admin".to_owned(), "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa".to_owned()];
    let invites = test.accounts.create_invites(owners, 2, 1).await.unwrap();
    assert_eq!(invites.iter().map(|(_, codes)| codes.len()).sum::<usize>(), 4);
    for code in invites.iter().flat_map(|(_, codes)| codes) {
        let parts: Vec<_> = code.split('-').collect();
        assert_eq!(
            (parts.len(), parts[0], parts[1].len(), parts[2].len()),
            (3, "localhost", 5, 5),
            "{code}"
        );
        let is_letter = |letter: char| letter.is_ascii_lowercase() || ('2'..='7').contains(&letter);
        assert!(parts[1].chars().chain(parts[2].chars()).all(is_letter), "{code}");
    }
}

#[tokio::test]
async fn recommended_credentials_are_what_was_registered() {
    let test = TestAccounts::open().await;
    let invite = test.invite(1).await;
    let created = test
        .accounts
        .create(TestAccounts::request("alice", &invite))
        .await
        .unwrap();
    let account = created.session.account;
    let recommended = test.accounts.recommended_credentials(&account).await.unwrap();
    assert_eq!(recommended, test.plc.state(&account.did));
}
