//! Creating accounts while the PLC directory fails, and while many want the same.

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{Fault, password};
use crate::repo_car::verify_repo;
use crate::untouched::assert_refused;
use crate::{Account, Answer, Plc, TestApp};

const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";

/// Asks for the account again, which must work: nothing of the failed try is in the way. Then it is the only one.
async fn assert_retry_works(app: &TestApp, input: &Value) -> Account {
    let session = app.api.procedure(CREATE_ACCOUNT, input).await.ok();
    let account = Account::new(&app.api, &session);
    account
        .create("com.example.note", "first", &json!({"text": "Hello"}))
        .await;
    verify_repo(
        &account.export().await,
        &account.did,
        &app.plc.signing_key(&account.did),
    );
    let mut again = input.clone();
    again["inviteCode"] = json!(app.invite(1).await);
    app.api
        .procedure(CREATE_ACCOUNT, &again)
        .await
        .refused(400, "InvalidRequest");
    account
}

#[tokio::test]
async fn a_directory_that_fails_leaves_nothing_behind() {
    let app = TestApp::start().await;
    for (name, fault, status, error) in [
        ("refused", Fault::Refuse(400), 400, "InvalidRequest"),
        ("limited", Fault::Refuse(429), 502, "UpstreamFailure"),
        ("broken", Fault::Refuse(500), 502, "UpstreamFailure"),
        ("overloaded", Fault::Refuse(503), 502, "UpstreamFailure"),
        ("cutoff", Fault::Break, 502, "UpstreamFailure"),
    ] {
        let input = app.sign_up(name).await;
        app.plc.fails(fault);
        let before = app.plc.dids().len();
        let message = app.api.procedure(CREATE_ACCOUNT, &input).await.refused(status, error);
        let told = if status == 400 { "as it was told" } else { "try again" };
        assert!(message.contains(told), "{message}");
        assert_eq!(app.plc.dids().len(), before);
        app.api
            .query(
                "com.atproto.identity.resolveHandle",
                &[("handle", &format!("{name}.test"))],
            )
            .await
            .refused(400, "HandleNotFound");
        let login = json!({"identifier": format!("{name}.test"), "password": password(name)});
        app.api
            .procedure("com.atproto.server.createSession", &login)
            .await
            .refused(401, "AuthenticationRequired");
        app.plc.fails(Fault::None);
        assert_retry_works(&app, &input).await;
    }
}

#[tokio::test]
async fn what_a_failing_directory_took_counts_as_taken() {
    let app = TestApp::start().await;
    for (name, fault) in [
        ("answered400", Fault::TakeAndAnswer(400)),
        ("answered500", Fault::TakeAndAnswer(500)),
        ("answered504", Fault::TakeAndAnswer(504)),
        ("cut", Fault::TakeAndBreak),
    ] {
        app.plc.fails(fault);
        let before = app.plc.dids().len();
        let alice = app.account(name).await;
        assert_eq!(app.plc.dids()[before..], [alice.did.to_string()]);
        alice
            .create("com.example.note", "first", &json!({"text": "Hello"}))
            .await;
    }
}

#[tokio::test]
async fn a_directory_that_takes_and_then_says_nothing_is_asked() {
    // Costs the 10 s that the server waits.
    let app = TestApp::start().await;
    app.plc.fails(Fault::TakeAndStall);
    let alice = app.account("alice").await;
    app.plc.fails(Fault::None);
    assert_eq!(app.plc.dids(), [alice.did.as_str()]);
}

#[tokio::test]
async fn a_directory_that_hides_what_it_took_gets_the_same_did_again() {
    let mut app = TestApp::start().await;
    let other = app.account("other").await;
    let last_of_other = app.plc.last(&other.did);
    for (name, last) in [
        ("hidden", (404, json!({"message": "DID not registered"}))),
        ("failing", (500, json!({"message": "out of order"}))),
        ("garbage", (200, json!({"hello": "world"}))),
        ("otherone", (200, last_of_other)),
    ] {
        let input = app.sign_up(name).await;
        let before = app.plc.dids().len();
        app.plc.fails(Fault::TakeAndAnswer(500));
        app.plc.says_last(Some(last));
        app.api
            .procedure(CREATE_ACCOUNT, &input)
            .await
            .refused(502, "UpstreamFailure");
        let taken = app.plc.dids()[before..].to_vec();
        assert_eq!(taken.len(), 1);
        app.plc.says_last(None);
        // The handle is free for others meanwhile, and the try can be repeated after a restart.
        app.restart().await;
        // The directory refuses a second genesis operation; that its last one is ours is what counts.
        app.plc.fails(Fault::None);
        let account = assert_retry_works(&app, &input).await;
        assert_eq!(taken, [account.did.to_string()], "no DID is left without an account");
    }
}

#[tokio::test]
async fn a_directory_that_is_down_stops_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (plc, address) = (Plc::at(&listener), listener.local_addr().unwrap());
    drop(listener);
    let app = TestApp::start_beside(plc, &[]).await;
    let input = app.sign_up("alice").await;
    let message = app
        .api
        .procedure(CREATE_ACCOUNT, &input)
        .await
        .refused(502, "UpstreamFailure");
    assert!(message.contains("cannot be reached"), "{message}");
    app.api.query("com.atproto.server.describeServer", &[]).await.ok();

    app.plc.serve(TcpListener::bind(address).await.unwrap());
    let alice = assert_retry_works(&app, &input).await;
    app.plc.fails(Fault::Refuse(500));
    alice
        .put(
            "com.example.note",
            "first",
            &json!({"text": "posting needs no directory"}),
        )
        .await;
}

#[tokio::test]
async fn a_directory_that_stalls_keeps_nobody_out() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    for fault in [Fault::Stall, Fault::Break, Fault::Refuse(503), Fault::Refuse(409)] {
        app.plc.fails(fault);
        let login = json!({"identifier": "alice.test", "password": password("alice")});
        let session = app.api.procedure("com.atproto.server.createSession", &login).await;
        let session = Account::new(&app.api, &session.ok());
        session.session().await.ok();
        let refresh = app.api.post("com.atproto.server.refreshSession");
        Answer::to(refresh.bearer_auth(&session.refresh)).await.unwrap().ok();
        session
            .put("com.example.note", "a", &json!({"text": format!("{fault:?}")}))
            .await;
        let rename = json!({"handle": "renamed.test"});
        let renamed = alice.call("com.atproto.identity.updateHandle", &rename).await;
        assert!(matches!(renamed.status, 400 | 502), "{fault:?}: {}", renamed.text());
        assert_eq!(alice.session().await.ok()["handle"], "alice.test", "{fault:?}");
    }
    app.plc.fails(Fault::None);
    let rename = json!({"handle": "renamed.test"});
    alice.call("com.atproto.identity.updateHandle", &rename).await.ok();
    assert_eq!(alice.session().await.ok()["handle"], "renamed.test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_the_handle() {
    let app = TestApp::start().await;
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let mut input = app.sign_up(&format!("person{number}")).await;
        input["handle"] = json!(if number % 2 == 0 { "wanted.test" } else { "WANTED.test" });
        let api = app.api.clone();
        calls.spawn(async move { api.procedure(CREATE_ACCOUNT, &input).await });
    }
    let (winners, losers): (Vec<Answer>, Vec<_>) = calls
        .join_all()
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert_eq!(winners.len(), 1);
    for loser in losers {
        assert_eq!(
            loser.refused(400, "InvalidRequest"),
            "Handle already taken: wanted.test"
        );
    }
    assert_eq!(app.plc.dids().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_makes_as_many_accounts_as_it_says() {
    let app = TestApp::start().await;
    for uses in [1, 3] {
        let code = app.invite(uses).await;
        let mut calls = JoinSet::new();
        for number in 0..20 {
            let mut input = app.sign_up(&format!("guest{uses}x{number}")).await;
            input["inviteCode"] = json!(code);
            let api = app.api.clone();
            calls.spawn(async move { api.procedure(CREATE_ACCOUNT, &input).await });
        }
        let (guests, others): (Vec<Answer>, Vec<_>) = calls
            .join_all()
            .await
            .into_iter()
            .partition(|answer| answer.status == 200);
        assert_eq!(guests.len(), usize::try_from(uses).unwrap());
        for other in others {
            other.refused(400, "InvalidInviteCode");
        }
    }
}

#[tokio::test]
async fn a_failed_try_gives_the_invite_back() {
    let app = TestApp::start().await;
    let mut input = app.sign_up("alice").await;
    app.plc.fails(Fault::Refuse(500));
    app.api
        .procedure(CREATE_ACCOUNT, &input)
        .await
        .refused(502, "UpstreamFailure");
    app.plc.fails(Fault::None);
    // Somebody else, with the same code.
    input["handle"] = json!("bob.test");
    input["email"] = json!("bob@mail.example.com");
    app.api.procedure(CREATE_ACCOUNT, &input).await.ok();
    input["handle"] = json!("carol.test");
    input["email"] = json!("carol@mail.example.com");
    app.api
        .procedure(CREATE_ACCOUNT, &input)
        .await
        .refused(400, "InvalidInviteCode");
}

#[tokio::test]
async fn bad_wishes_are_refused_before_the_directory_hears_of_them() {
    let app = TestApp::start().await;
    app.account("taken").await;
    let changes: Vec<(&str, Value)> = vec![
        ("email", Value::Null),
        ("email", json!("")),
        ("email", json!("no address")),
        ("email", json!("a@b")),
        ("email", json!("a@mail.example.com\r\nBcc: b@example.com")),
        ("email", json!("TAKEN@mail.example.com")),
        ("email", json!(7)),
        ("handle", json!(7)),
        ("handle", json!("taken.test")),
        ("password", json!("x".repeat(257))),
        ("password", json!({})),
        ("inviteCode", json!("pds-test-aaaaa-bbbbb")),
        ("inviteCode", json!("")),
        ("inviteCode", json!("' OR 1=1 --")),
        ("recoveryKey", json!("did:key:z")),
        ("did", json!("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")),
        ("did", json!("no did")),
        ("plcOp", json!({})),
    ];
    for (name, value) in changes {
        let mut input = app.sign_up("alice").await;
        input[name] = value;
        let answer = app.api.procedure(CREATE_ACCOUNT, &input).await;
        assert_refused(&answer, &format!("{name}: {}", input[name]));
    }
    assert_eq!(app.plc.dids().len(), 1);
    assert_retry_works(&app, &app.sign_up("alice").await).await;
}
