//! Mail servers with TLS and logins, and `pds email test`, which tells an operator what is wrong with one.

use std::process::{Command, Output};

use serde_json::Value;

use crate::TestApp;
use crate::harness::{Authority, SmtpLogin, SmtpMood, SmtpSink, SmtpTls};

const SENDER: (&str, &str) = ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test");
const LOGIN: SmtpLogin = SmtpLogin::By("PLAIN", "us@pds.test", "p@ss word");

fn email_test(app: &TestApp, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pds"))
        .args(["email", "test", "you@mail.example.com"])
        .args(arguments)
        .env_clear()
        .envs(app.settings())
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

fn fails(app: &TestApp, settings: &[(&str, &str)], step: &str) {
    let output = email_test(app, settings, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["failed"]["step"], step, "{said}");
    assert!(said["failed"]["advice"].as_str().unwrap().len() > 20);
    assert!(!output.stderr.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_tried_step_by_step() {
    let app = TestApp::start().await;
    let sink = SmtpSink::start().await;
    let sink_url = sink.url();
    let (host, port) = sink_url.trim_start_matches("smtp://").split_once(':').unwrap();
    let server = [
        ("PDS_EMAIL_SMTP_HOST", host),
        ("PDS_EMAIL_SMTP_PORT", port),
        ("PDS_EMAIL_SMTP_TLS", "none"),
        SENDER,
    ];
    let good = email_test(&app, &server, &[]);
    let said = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success(), "{said}");
    let steps: Vec<_> = said.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    assert_eq!(steps, ["dns", "connect", "tls", "login", "from", "recipient", "send"]);
    assert_eq!(sink.mail(0).await.to, ["you@mail.example.com"]);

    fails(&app, &[("PDS_EMAIL_SMTP_URL", "smtp://nowhere.invalid"), SENDER], "dns");
    fails(&app, &[("PDS_EMAIL_SMTP_URL", "smtp://127.0.0.1:1"), SENDER], "connect");
    let url = format!("{}?requireTLS=true", sink.url());
    fails(&app, &[("PDS_EMAIL_SMTP_URL", &url), SENDER], "tls");
    let url = sink.url().replace("//", "//user:secret@");
    fails(&app, &[("PDS_EMAIL_SMTP_URL", &url), SENDER], "login");
    sink.set(SmtpMood::RefusingSender);
    fails(&app, &server, "from");
    sink.set(SmtpMood::RefusingText);
    fails(&app, &server, "send");
    sink.set(SmtpMood::Refusing);
    fails(&app, &server, "recipient");
    let unset = email_test(&app, &[], &[]);
    assert!(String::from_utf8_lossy(&unset.stderr).contains("set PDS_EMAIL_SMTP_URL"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_with_tls_and_a_login_are_used_if_their_authority_is_known() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let authorities = directory.path().join("authorities.pem");
    std::fs::write(&authorities, authority.pem()).unwrap();
    let known = ("SSL_CERT_FILE", authorities.to_str().unwrap());
    let acceptor = authority.acceptor(&["localhost"]);
    for (tls, scheme) in [
        (SmtpTls::FromTheStart(acceptor.clone()), "smtps"),
        (SmtpTls::Offered(acceptor), "smtp"),
    ] {
        let mut app = TestApp::start().await;
        let sink = SmtpSink::start_with(tls, LOGIN).await;
        let url = |host: &str, login: &str| format!("{scheme}://{login}@{host}:{}", sink.port());
        let good = url("localhost", "us%40pds.test:p%40ss%20word");
        let tested = email_test(&app, &[("PDS_EMAIL_SMTP_URL", &good), SENDER, known], &[]);
        assert!(tested.status.success(), "{tested:?}");
        let said = String::from_utf8(tested.stdout).unwrap();
        assert!(
            said.contains("the connection is encrypted") && said.contains("as us@pds.test"),
            "{said}"
        );
        assert!(sink.mail(0).await.encrypted);

        fails(&app, &[("PDS_EMAIL_SMTP_URL", &good), SENDER], "tls");
        let other_name = url("127.0.0.1", "us%40pds.test:p%40ss%20word");
        fails(&app, &[("PDS_EMAIL_SMTP_URL", &other_name), SENDER, known], "tls");
        let wrong = url("localhost", "us%40pds.test:wrong");
        fails(&app, &[("PDS_EMAIL_SMTP_URL", &wrong), SENDER, known], "login");
        let nobody = format!("{scheme}://localhost:{}", sink.port());
        fails(&app, &[("PDS_EMAIL_SMTP_URL", &nobody), SENDER, known], "from");

        for (name, value) in [("PDS_EMAIL_SMTP_URL", good.as_str()), SENDER, known] {
            app.set(name, value);
        }
        app.restart().await;
        let account = app.account("alice").await;
        crate::mailed_codes::request(&account, "com.atproto.server.requestEmailConfirmation")
            .await
            .ok();
        let mail = sink.mail(1).await;
        assert!(mail.encrypted && mail.code().is_some());
    }
}
