//! E-mail: addresses confirmed and changed, passwords reset, accounts deleted with mailed codes (catalogue K).

use atproto_repo::Frame;
use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, Received, SmtpMood, SmtpSink, password};
use crate::{Account, Answer, TestApp};

const CONFIRM: &str = "com.atproto.server.confirmEmail";
const REQUEST_CONFIRMATION: &str = "com.atproto.server.requestEmailConfirmation";
const UPDATE: &str = "com.atproto.server.updateEmail";
const REQUEST_UPDATE: &str = "com.atproto.server.requestEmailUpdate";
const RESET: &str = "com.atproto.server.resetPassword";
const REQUEST_RESET: &str = "com.atproto.server.requestPasswordReset";
const DELETE: &str = "com.atproto.server.deleteAccount";
const REQUEST_DELETE: &str = "com.atproto.server.requestAccountDelete";
const LOG_IN: &str = "com.atproto.server.createSession";
/// A code that was mailed to nobody.
pub(crate) const NO_CODE: &str = "AAAAA-AAAAA";

/// A server whose mail goes to a sink.
pub(crate) async fn start() -> (TestApp, SmtpSink) {
    let sink = SmtpSink::start().await;
    let app = TestApp::start_with(&[
        ("PDS_EMAIL_SMTP_URL", &sink.url()),
        ("PDS_EMAIL_FROM_ADDRESS", "Test PDS <noreply@pds.test>"),
        ("PDS_MODERATION_EMAIL_SMTP_URL", &sink.url()),
        ("PDS_MODERATION_EMAIL_ADDRESS", "moderation@pds.test"),
        ("PDS_SERVICE_NAME", "Test <PDS>"),
        ("PDS_HOME_URL", "https://home.test/"),
    ])
    .await;
    (app, sink)
}

/// A procedure without input by an account.
pub(crate) async fn request(account: &Account, nsid: &str) -> Answer {
    Answer::to(account.api.post(nsid).bearer_auth(&account.access))
        .await
        .unwrap()
}

async fn log_in(app: &TestApp, identifier: &str, password: &str) -> Answer {
    let input = json!({"identifier": identifier, "password": password});
    app.api.procedure(LOG_IN, &input).await
}

fn assert_letter(mail: &Received, to: &str, subject: &str) {
    assert_eq!(mail.to, [to]);
    assert_eq!(mail.from, "noreply@pds.test");
    assert_eq!(mail.header("Subject").as_deref(), Some(subject));
    assert_eq!(mail.hello, "pds.test");
    let id = mail.header("Message-ID").unwrap();
    assert!(id.starts_with('<') && id.ends_with("@pds.test>"), "{id}");
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert!(mail.text.contains("text/plain") && mail.text.contains("text/html"));
    assert!(
        mail.text.contains("Test &lt;PDS&gt;") && mail.text.contains("https://home.test/"),
        "{}",
        mail.text
    );
}

#[tokio::test]
async fn an_address_is_confirmed_and_changed_with_codes() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let email = "alice@mail.example.com";
    assert_eq!(
        request(&alice, REQUEST_UPDATE).await.ok(),
        json!({"tokenRequired": false})
    );
    alice
        .call(UPDATE, &json!({"email": "a@mail.example.com", "token": NO_CODE}))
        .await
        .refused(400, "InvalidToken");
    request(&alice, REQUEST_CONFIRMATION).await.ok();
    let mail = sink.mail(0).await;
    assert_letter(&mail, email, "Email Confirmation");
    let wrong = json!({"email": email, "token": NO_CODE});
    alice.call(CONFIRM, &wrong).await.refused(400, "InvalidToken");
    let code = mail.code().unwrap();
    let other = json!({"email": "bob@mail.example.com", "token": code});
    alice.call(CONFIRM, &other).await.refused(400, "InvalidEmail");
    let right = json!({"email": "ALICE@mail.example.com", "token": code.to_lowercase()});
    alice.call(CONFIRM, &right).await.ok();
    assert_eq!(alice.session().await.ok()["emailConfirmed"], true);
    alice.call(CONFIRM, &right).await.refused(400, "InvalidToken");

    let new = "alice.new@mail.example.com";
    for update in [json!({"email": new}), json!({"email": new, "token": ""})] {
        alice.call(UPDATE, &update).await.refused(400, "TokenRequired");
    }
    assert_eq!(
        request(&alice, REQUEST_UPDATE).await.ok(),
        json!({"tokenRequired": true})
    );
    let mail = sink.mail(1).await;
    assert_letter(&mail, email, "Email Update Requested");
    alice
        .call(UPDATE, &json!({"email": new, "token": NO_CODE}))
        .await
        .refused(400, "InvalidToken");
    let update = json!({"email": new, "token": mail.code()});
    alice.call(UPDATE, &update).await.ok();
    let session = alice.session().await.ok();
    assert_eq!(
        (&session["email"], &session["emailConfirmed"]),
        (&json!(new), &json!(false))
    );
    log_in(&app, new, &password("alice")).await.ok();
}

#[tokio::test]
async fn five_wrong_tries_end_a_code() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    request(&alice, REQUEST_CONFIRMATION).await.ok();
    let code = sink.mail(0).await.code().unwrap();
    let confirm = async |token: &str| {
        let input = json!({"email": "alice@mail.example.com", "token": token});
        alice.call(CONFIRM, &input).await
    };
    for _ in 0..5 {
        confirm(NO_CODE).await.refused(400, "InvalidToken");
    }
    confirm(&code).await.refused(400, "InvalidToken");
    assert_eq!(alice.session().await.ok()["emailConfirmed"], false);
}

#[tokio::test]
async fn a_reset_password_ends_all_access_at_once_and_tells_strangers_nothing() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let reset = async |email: &str| app.api.procedure(REQUEST_RESET, &json!({"email": email})).await;
    let unknown = reset("nobody@mail.example.com").await;
    let known = reset("Alice@mail.example.com").await;
    assert_eq!((unknown.status, unknown.body), (known.status, known.body));
    let mail = sink.mail(0).await;
    assert_letter(&mail, "alice@mail.example.com", "Password Reset Requested");
    assert!(mail.text.contains("@alice.test"));
    let code = mail.code().unwrap();
    let choose = async |token: &str, password: &str| {
        let input = json!({"token": token, "password": password});
        app.api.procedure(RESET, &input).await
    };
    choose(NO_CODE, "new").await.refused(400, "InvalidToken");
    choose(&code, &"x".repeat(257)).await.refused(400, "InvalidRequest");
    choose(&code, "new").await.ok();
    alice.session().await.refused(400, "ExpiredToken");
    log_in(&app, "alice.test", &password("alice"))
        .await
        .refused(401, "AuthenticationRequired");
    log_in(&app, "alice.test", "new").await.ok();
    choose(&code, "newer").await.refused(400, "InvalidToken");
}

#[tokio::test]
async fn an_account_is_deleted_with_password_and_code_and_leaves_nothing() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    alice.create("com.example.note", "a", &json!({"text": "x"})).await;
    request(&alice, REQUEST_DELETE).await.ok();
    let mail = sink.mail(0).await;
    assert_letter(&mail, "alice@mail.example.com", "Account Deletion Requested");
    let code = mail.code().unwrap();
    let delete = async |password: &str, token: &str| {
        let input = json!({"did": alice.did.as_str(), "password": password, "token": token});
        app.api.procedure(DELETE, &input).await
    };
    delete("wrong", &code).await.refused(401, "AuthenticationRequired");
    delete(&password("alice"), NO_CODE).await.refused(400, "InvalidToken");
    alice.session().await.ok();
    let mut firehose = app.firehose(None).await;
    delete(&password("alice"), &code).await.ok();
    match firehose.frame().await {
        Frame::Account { active, status, .. } => {
            assert_eq!(
                (active, status.map(|status| status.as_str().to_owned())),
                (false, Some("deleted".to_owned()))
            );
        }
        other => panic!("{other:?}"),
    }
    alice.session().await.refused(400, "InvalidRequest");
    log_in(&app, "alice.test", &password("alice"))
        .await
        .refused(401, "AuthenticationRequired");
    let did = alice.did.as_str();
    app.api
        .query("com.atproto.sync.getRepo", &[("did", did)])
        .await
        .refused(400, "RepoNotFound");
    delete(&password("alice"), &code).await.refused(400, "InvalidRequest");
    alice
        .call(
            "com.atproto.repo.createRecord",
            &alice.write("com.example.note", "b", &json!({})),
        )
        .await
        .refused(403, "AccountNotFound");
    // The address is free at once, the handle for an administrator to give away.
    let mut again = app.sign_up("alice").await;
    let create = "com.atproto.server.createAccount";
    app.api
        .procedure(create, &again)
        .await
        .refused(400, "HandleNotAvailable");
    again["handle"] = json!("alicia.test");
    let again = Account::new(&app.api, &app.api.procedure(create, &again).await.ok());
    let wanted = json!({"handle": "alice.test"});
    again
        .call("com.atproto.identity.updateHandle", &wanted)
        .await
        .refused(400, "HandleNotAvailable");
    let given = json!({"did": again.did, "handle": "alice.test"});
    app.administer("com.atproto.admin.updateAccountHandle", &given)
        .await
        .ok();
}

#[tokio::test]
async fn what_is_missing_or_not_allowed_is_refused() {
    let (app, _sink) = start().await;
    let alice = app.account("alice").await;
    let name = json!({"name": "app"});
    let app_password = alice.call("com.atproto.server.createAppPassword", &name).await.ok();
    let session = log_in(&app, "alice.test", app_password["password"].as_str().unwrap())
        .await
        .ok();
    let by_app = Account::new(&app.api, &session);
    for nsid in [
        REQUEST_UPDATE,
        REQUEST_DELETE,
        "com.atproto.identity.requestPlcOperationSignature",
    ] {
        request(&by_app, nsid).await.refused(400, "InvalidToken");
        Answer::to(app.api.post(nsid))
            .await
            .unwrap()
            .refused(401, "AuthMissing");
    }
    by_app
        .call(UPDATE, &json!({"email": "x@mail.example.com"}))
        .await
        .refused(400, "InvalidToken");
    for (nsid, input) in [
        (CONFIRM, json!({})),
        (CONFIRM, json!({"email": "alice@mail.example.com"})),
        (CONFIRM, json!({"email": 1, "token": 2})),
        (UPDATE, json!({})),
        (UPDATE, json!({"email": "nope"})),
        (
            UPDATE,
            json!({"email": "a@mail.example.com\r\nBcc: b@mail.example.com"}),
        ),
        (UPDATE, json!({"email": "x@mailinator.com"})),
        (RESET, json!({"token": NO_CODE})),
        (REQUEST_RESET, json!({})),
        (DELETE, json!({})),
        (
            DELETE,
            json!({"did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "password": "x", "token": NO_CODE}),
        ),
    ] {
        let message = alice.call(nsid, &input).await.refused(400, "InvalidRequest");
        assert!(!message.is_empty(), "{nsid} {input}");
    }
}

#[tokio::test]
async fn a_mail_server_that_is_down_delays_the_mail_and_nothing_else() {
    let (mut app, sink) = start().await;
    let alice = app.account("alice").await;
    for mood in [SmtpMood::Silent, SmtpMood::Busy] {
        sink.set(mood);
        request(&alice, REQUEST_CONFIRMATION).await.ok();
    }
    // What was queued outlives the process.
    app.kill();
    sink.set(SmtpMood::Good);
    app.start_again().await;
    let mut codes = Vec::new();
    for index in 0..2 {
        codes.extend(sink.mail(index).await.code());
    }
    let input = |token: &str| json!({"email": "alice@mail.example.com", "token": token});
    let mut confirmed = 0;
    for code in &codes {
        confirmed += usize::from(alice.call(CONFIRM, &input(code)).await.status == 200);
    }
    assert_eq!(confirmed, 1, "the newer of {codes:?} is good");
}

#[tokio::test]
async fn mail_is_written_in_the_language_that_is_asked_for() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let request = app.api.post(REQUEST_CONFIRMATION).bearer_auth(&alice.access);
    Answer::to(request.header("accept-language", "de-AT, en;q=0.5"))
        .await
        .unwrap()
        .ok();
    let mail = sink.mail(0).await;
    assert!(mail.text.contains("15 Minuten"), "{}", mail.text);
}

#[tokio::test]
async fn a_moderator_writes_to_a_user() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let send = async |input: Value| {
        let request = app
            .api
            .post("com.atproto.admin.sendEmail")
            .basic_auth("admin", Some(ADMIN_PASSWORD));
        Answer::to(request.json(&input)).await.unwrap()
    };
    let letter = |recipient: &str| {
        json!({"recipientDid": recipient, "senderDid": "did:web:mod.test", "subject": "Hello\r\nBcc: x@mail.test",
               "content": "Dear <b>Alice</b>,\nplease"})
    };
    assert_eq!(send(letter(alice.did.as_str())).await.ok(), json!({"sent": true}));
    let mail = sink.mail(0).await;
    assert_eq!(
        (mail.from.as_str(), &mail.to[..]),
        ("moderation@pds.test", &["alice@mail.example.com".to_owned()][..])
    );
    assert_eq!(mail.header("Subject").as_deref(), Some("Hello  Bcc: x@mail.test"));
    assert!(mail.text.contains("Dear &lt;b&gt;Alice&lt;/b&gt;,"), "{}", mail.text);
    let message = send(letter("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"))
        .await
        .refused(400, "InvalidRequest");
    assert_eq!(message, "Recipient not found");
}

#[tokio::test]
async fn a_moderator_learns_whether_the_letter_is_on_its_way() {
    let sink = SmtpSink::start().await;
    let url = sink.url();
    let users: &[(&str, &str)] = &[
        ("PDS_EMAIL_SMTP_URL", &url),
        ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
    ];
    for (settings, sent) in [(users, true), (&[], false)] {
        let app = TestApp::start_with(settings).await;
        let alice = app.account("alice").await;
        let letter = json!({"recipientDid": alice.did, "senderDid": "did:web:mod.test", "content": "Hello"});
        let answer = app.administer("com.atproto.admin.sendEmail", &letter).await.ok();
        assert_eq!(answer, json!({"sent": sent}));
        if sent {
            assert_eq!(sink.mail(0).await.from, "noreply@pds.test", "as mail to users");
        }
    }
}

#[tokio::test]
async fn without_a_mail_server_codes_are_asked_for_all_the_same() {
    let app = TestApp::start_with(&[("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test")]).await;
    let alice = app.account("alice").await;
    request(&alice, REQUEST_CONFIRMATION).await.ok();
    let log = app.process().log();
    let lines = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!(lines("PDS_EMAIL_FROM_ADDRESS is set without"), 1);
    assert_eq!(lines("pds account code"), 1);
}
