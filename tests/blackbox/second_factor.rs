//! The second factor by e-mail, as the Bluesky app switches and uses it.

use serde_json::{Value, json};

use crate::command_line::output;
use crate::harness::{SmtpSink, password};
use crate::mailed_codes::{NO_CODE, request, start};
use crate::{Account, Answer, TestApp};

const EMAIL: &str = "alice@mail.example.com";
const UPDATE: &str = "com.atproto.server.updateEmail";

/// Confirms the account's address with the sink's first mail.
async fn confirm(account: &Account, sink: &SmtpSink) {
    request(account, "com.atproto.server.requestEmailConfirmation")
        .await
        .ok();
    let input = json!({"email": EMAIL, "token": sink.mail(0).await.code()});
    account.call("com.atproto.server.confirmEmail", &input).await.ok();
}

async fn log_in(app: &TestApp, token: Option<&str>) -> Answer {
    let mut input = json!({"identifier": EMAIL, "password": password("alice")});
    if let Some(token) = token {
        input["authFactorToken"] = json!(token);
    }
    app.api.procedure("com.atproto.server.createSession", &input).await
}

fn switched(on: bool) -> Value {
    json!({"email": EMAIL, "emailAuthFactor": on})
}

#[tokio::test]
async fn logging_in_takes_a_mailed_code_once_it_is_on() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let message = alice.call(UPDATE, &switched(true)).await.refused(400, "InvalidRequest");
    assert!(message.contains("Confirm your email"), "{message}");
    confirm(&alice, &sink).await;
    assert_eq!(alice.session().await.ok()["emailAuthFactor"], Value::Null);
    alice.call(UPDATE, &switched(true)).await.ok();
    let session = alice.session().await.ok();
    assert_eq!(
        (&session["emailAuthFactor"], &session["emailConfirmed"]),
        (&json!(true), &json!(true))
    );

    log_in(&app, None).await.refused(401, "AuthFactorTokenRequired");
    let mail = sink.mail(1).await;
    assert_eq!(
        (&mail.to[..], mail.header("Subject").as_deref()),
        (&[EMAIL.to_owned()][..], Some("Sign-in Code"))
    );
    let message = log_in(&app, Some(NO_CODE)).await.refused(400, "InvalidToken");
    assert_eq!(message, "Token is invalid");
    let code = mail.code().unwrap();
    let session = log_in(&app, Some(&code)).await.ok();
    assert_eq!(session["emailAuthFactor"], true);
    log_in(&app, Some(&code)).await.refused(400, "InvalidToken");

    alice.call(UPDATE, &switched(false)).await.refused(400, "TokenRequired");
    let required = request(&alice, "com.atproto.server.requestEmailUpdate").await.ok();
    assert_eq!(required, json!({"tokenRequired": true}));
    let mut off = switched(false);
    off["token"] = json!(sink.mail(2).await.code());
    alice.call(UPDATE, &off).await.ok();
    assert_eq!(log_in(&app, None).await.ok()["emailConfirmed"], true);
}

#[tokio::test]
async fn app_passwords_and_servers_without_mail_do_without_it() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    confirm(&alice, &sink).await;
    alice.call(UPDATE, &switched(true)).await.ok();
    let made = alice
        .call("com.atproto.server.createAppPassword", &json!({"name": "app"}))
        .await
        .ok();
    let input = json!({"identifier": "alice.test", "password": made["password"]});
    app.api.procedure("com.atproto.server.createSession", &input).await.ok();

    let app = TestApp::start().await;
    let bob = app.account("bob").await;
    let on = json!({"email": "bob@mail.example.com", "emailAuthFactor": true});
    let message = bob.call(UPDATE, &on).await.refused(400, "InvalidRequest");
    assert!(message.contains("sends no mail"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_lets_somebody_in_who_has_lost_the_mailbox() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    confirm(&alice, &sink).await;
    alice.call(UPDATE, &switched(true)).await.ok();
    log_in(&app, None).await.refused(401, "AuthFactorTokenRequired");
    let url = format!("http://{}", app.api.address());
    output(&["account", "clear-second-factor", "alice.test", "--url", &url]);
    log_in(&app, None).await.ok();
}
