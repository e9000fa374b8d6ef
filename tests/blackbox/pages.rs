//! The pages that links in mails lead to.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use crate::harness::{Received, SmtpSink, password};
use crate::mailed_codes::{request, start};
use crate::{Answer, TestApp};

/// The path and query of the link to a page of this server.
fn link(mail: &Received) -> String {
    let text = mail.text.replace("=3D", "=");
    let (_, rest) = text.split_once("https://pds.test").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn get(app: &TestApp, path: &str, host: &str) -> Answer {
    let request = app.api.page(Method::GET, path).header("host", host);
    Answer::to(request).await.unwrap()
}

async fn send(app: &TestApp, path: &str, form: &str) -> Answer {
    let request = app.api.page(Method::POST, path).header("host", "pds.test");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Answer::to(request.body(form.to_owned())).await.unwrap()
}

async fn reset_mail(app: &TestApp, sink: &SmtpSink) -> Received {
    let input = json!({"email": "alice@mail.example.com"});
    app.api
        .procedure("com.atproto.server.requestPasswordReset", &input)
        .await
        .ok();
    sink.mail(0).await
}

#[tokio::test]
async fn an_address_is_confirmed_on_its_page_but_not_by_looking_at_it() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    request(&alice, "com.atproto.server.requestEmailConfirmation")
        .await
        .ok();
    let mail = sink.mail(0).await;
    let (link, code) = (link(&mail), mail.code().unwrap());
    assert_eq!(link, format!("/account/confirm-email?code={code}"));
    let page = get(&app, &link, "pds.test").await;
    let header = |name: &str| page.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        (header("cache-control"), header("referrer-policy")),
        ("no-store", "no-referrer")
    );
    assert!(header("content-security-policy").starts_with("default-src 'none';"));
    assert!(
        page.text().contains(&code) && page.text().contains("Test &lt;PDS&gt;"),
        "{}",
        page.text()
    );
    assert_eq!(alice.session().await.ok()["emailConfirmed"], false);

    assert_eq!(
        send(&app, "/account/confirm-email", "code=AAAAA-AAAAA").await.status,
        400
    );
    assert_eq!(send(&app, "/account/confirm-email", "").await.status, 400);
    assert_eq!(
        send(&app, "/account/confirm-email", &format!("code={code}"))
            .await
            .status,
        200
    );
    assert_eq!(alice.session().await.ok()["emailConfirmed"], true);
    assert_eq!(
        send(&app, "/account/confirm-email", &format!("code={code}"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_password_is_chosen_on_its_page() {
    let (app, sink) = start().await;
    let alice = app.account("alice").await;
    let mail = reset_mail(&app, &sink).await;
    let (link, code) = (link(&mail), mail.code().unwrap());
    assert_eq!(link, format!("/account/reset-password?code={code}"));
    assert!(get(&app, &link, "pds.test").await.text().contains(&code));
    for form in [
        "code=AAAAA-AAAAA&password=new".to_owned(),
        format!("code={code}&password="),
        format!("code={code}&password={}", "x".repeat(257)),
        format!("code={code}&password={}", "x".repeat(100_000)),
    ] {
        assert_eq!(send(&app, "/account/reset-password", &form).await.status, 400);
    }
    let done = send(
        &app,
        "/account/reset-password",
        &format!("code={code}&password=new+pass"),
    )
    .await;
    assert_eq!(done.status, 200, "{}", done.text());
    alice.session().await.refused(400, "ExpiredToken");
    let log_in = async |password: &str| {
        let input = json!({"identifier": "alice.test", "password": password});
        app.api.procedure("com.atproto.server.createSession", &input).await
    };
    log_in(&password("alice")).await.refused(401, "AuthenticationRequired");
    log_in("new pass").await.ok();
}

#[tokio::test]
async fn what_stands_in_an_address_is_no_markup_and_pages_are_on_the_hostname_only() {
    let (app, _sink) = start().await;
    let page = get(&app, "/account/confirm-email?code=%22%3E%3Cscript%3E", "pds.test").await;
    assert!(page.text().contains("&quot;&gt;&lt;script&gt;"), "{}", page.text());
    for host in ["127.0.0.1", "alice.test", "elsewhere.example.com"] {
        assert_eq!(get(&app, "/account/confirm-email", host).await.status, 404, "{host}");
    }
    let mut request = app.api.page(Method::GET, "/account/reset-password");
    request = request.header("host", "pds.test").header("accept-language", "de");
    let german = Answer::to(request).await.unwrap();
    assert!(
        german.text().contains("vergessen"),
        "without a code the page says where one is to be had"
    );
    assert!(german.text().contains("lang=\"de\"") && german.text().contains("Neues Passwort wählen"));
}

#[tokio::test]
async fn password_managers_find_the_page_for_a_new_password() {
    let (app, _sink) = start().await;
    let found = get(&app, "/.well-known/change-password", "pds.test").await;
    assert_eq!(
        (found.status, &found.headers["location"]),
        (302, &HeaderValue::from_static("/account/reset-password"))
    );
    assert_eq!(
        get(&app, "/.well-known/change-password", "alice.test").await.status,
        404
    );
}
