//! What the log tells: every request has an id, parts have levels of their own, and nothing in it opens an account.

use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, JWT_SECRET, SmtpLogin, SmtpSink, SmtpTls, password};
use crate::{Account, Answer, TestApp};

const MAIL_PASSWORD: &str = "password-of-the-mail-server";
const NEW_PASSWORD: &str = "a-new-password-of-alice";

async fn post(app: &TestApp, nsid: &str, token: &str) -> Value {
    let answer = Answer::to(app.api.post(nsid).bearer_auth(token)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// Signs up, logs in, mails codes, uses them; gives all that nobody else may learn.
async fn live(app: &TestApp, sink: &SmtpSink) -> Vec<String> {
    let invite = app.invite(1).await;
    let mut sign_up = app.sign_up("alice").await;
    sign_up["inviteCode"] = json!(invite);
    let session = app
        .api
        .procedure("com.atproto.server.createAccount", &sign_up)
        .await
        .ok();
    let alice = Account::new(&app.api, &session);
    let mut secrets = vec![
        invite,
        password("alice"),
        text(&session, "accessJwt"),
        text(&session, "refreshJwt"),
    ];
    let app_password = alice
        .call("com.atproto.server.createAppPassword", &json!({"name": "phone"}))
        .await
        .ok();
    secrets.push(text(&app_password, "password"));
    for wrong in [json!("a-wrong-password"), app_password["password"].clone()] {
        let login = json!({"identifier": "alice.test", "password": wrong});
        app.api.procedure("com.atproto.server.createSession", &login).await;
    }
    secrets.push("a-wrong-password".to_owned());
    let refreshed = post(app, "com.atproto.server.refreshSession", &text(&session, "refreshJwt")).await;
    secrets.extend([text(&refreshed, "accessJwt"), text(&refreshed, "refreshJwt")]);
    alice
        .create("com.example.note", "a", &json!({"text": "words of alice's own"}))
        .await;
    secrets.push("words of alice's own".to_owned());
    post(
        app,
        "com.atproto.server.requestEmailConfirmation",
        &text(&refreshed, "accessJwt"),
    )
    .await;
    let asked = app
        .api
        .procedure(
            "com.atproto.server.requestPasswordReset",
            &json!({"email": sign_up["email"]}),
        )
        .await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let (confirm, reset) = (sink.mail(0).await, sink.mail(1).await);
    secrets.extend([confirm.code().unwrap(), reset.code().unwrap()]);
    let input = json!({"token": reset.code().unwrap(), "password": NEW_PASSWORD});
    let changed = app.api.procedure("com.atproto.server.resetPassword", &input).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    secrets.push(NEW_PASSWORD.to_owned());
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_at_its_most_talkative_has_no_secrets() {
    let login = SmtpLogin::By("PLAIN", "mailer", MAIL_PASSWORD);
    let sink = SmtpSink::start_with(SmtpTls::Never, login).await;
    let url = sink
        .url()
        .replace("smtp://", &format!("smtp://mailer:{MAIL_PASSWORD}@"));
    let mut app = TestApp::start_with(&[
        ("LOG_LEVEL", "trace"),
        ("PDS_EMAIL_SMTP_URL", &url),
        ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
    ])
    .await;
    let mut secrets = live(&app, &sink).await;
    secrets.extend([ADMIN_PASSWORD, JWT_SECRET, MAIL_PASSWORD].map(str::to_owned));
    secrets.push(app.settings()["PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX"].clone());
    secrets.push("Content-Transfer-Encoding".to_owned());
    let log = app.process().log();
    for secret in &secrets {
        assert!(secret.len() > 8, "{secret} is too short to be looked for");
        let told: Vec<&String> = log.iter().filter(|line| line.contains(secret.as_str())).collect();
        assert!(told.is_empty(), "{secret} is in the log: {told:#?}");
    }
    let requests: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> = requests.iter().filter(|line| line["message"] == "answered").collect();
    assert!(answered.len() > 8, "{log:#?}");
    for line in answered {
        assert_eq!(line["span"]["id"].as_str().unwrap().len(), 16, "{line}");
    }
    app.stop().await;
}

#[tokio::test]
async fn parts_have_levels_of_their_own() {
    let app = TestApp::start_with(&[("LOG_LEVEL", "info,server=warn")]).await;
    app.account("alice").await;
    let log = app.process().log();
    let told = |words: &str| log.iter().any(|line| line.contains(words));
    assert!(told("\"listening\"") && !told("\"answered\""), "{log:#?}");
}
