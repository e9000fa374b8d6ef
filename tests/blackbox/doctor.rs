//! `pds doctor`: what it says of a server that works, and of what does not.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;

use crate::TestApp;
use crate::harness::{ADMIN_PASSWORD, SmtpSink, TestRelay};

fn doctor(arguments: &[&str], environment: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command.arg("doctor").args(arguments).env_clear().envs(environment);
    command.output().unwrap()
}

/// Check and verdict of each finding.
fn verdicts(output: &Output) -> Vec<(String, String)> {
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|finding| (text(finding, "check"), text(finding, "verdict")))
        .collect()
}

fn with_password(password: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("PDS_ADMIN_PASSWORD".to_owned(), password.to_owned())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_looked_at_from_outside() {
    let app = TestApp::start().await;
    let url = format!("http://{}", app.api.address());
    let healthy = doctor(&["--url", &url], &with_password(ADMIN_PASSWORD));
    let text = String::from_utf8(healthy.stdout).unwrap();
    assert!(healthy.status.success(), "{text}");
    let checks: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("ok\t")).collect();
    let names = [
        "alive",
        "ready",
        "version",
        "describeServer",
        "DID document",
        "handle host",
        "firehose",
        "admin password",
    ];
    assert_eq!(checks.len(), names.len(), "{text}");
    for (check, name) in checks.iter().zip(names) {
        assert!(check.starts_with(&format!("{name}\t")), "{check}");
    }
    let locked_out = doctor(&["--json", "--url", &url], &with_password("another"));
    assert_eq!(locked_out.status.code(), Some(1));
    let failed: Vec<_> = verdicts(&locked_out)
        .into_iter()
        .filter(|(_, verdict)| verdict == "failed")
        .collect();
    assert_eq!(failed, [("admin password".to_owned(), "failed".to_owned())]);

    let nobody = doctor(&["--url", "http://127.0.0.1:1"], &BTreeMap::new());
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stdout).unwrap().starts_with("FAILED\talive\t"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_stands_on_is_looked_at_too() {
    let (relay, sink) = (TestRelay::start().await, SmtpSink::start().await);
    let crawlers = format!("{},http://127.0.0.1:1", relay.url());
    let app = TestApp::start_with(&[
        ("PDS_CRAWLERS", &crawlers),
        ("PDS_EMAIL_SMTP_URL", &sink.url()),
        ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
    ])
    .await;
    let mut environment = app.settings().clone();
    let port = app.api.address().rsplit(':').next().unwrap().to_owned();
    environment.insert("PDS_PORT".to_owned(), port);
    let output = doctor(&["--json"], &environment);
    assert_eq!(output.status.code(), Some(1));
    let found = verdicts(&output);
    let verdict_of = |check: &str| -> Vec<&str> {
        let of_check = found.iter().filter(|(name, _)| name == check);
        of_check.map(|(_, verdict)| verdict.as_str()).collect()
    };
    for check in ["disk", "alive", "firehose", "PLC directory", "mail"] {
        assert_eq!(verdict_of(check), ["ok"], "{check} in {found:?}");
    }
    // Nobody has a name in `test`.
    assert_eq!(verdict_of("public name"), ["failed"]);
    assert_eq!(verdict_of("handles"), ["failed"]);
    // One does not know the server, the other does not answer.
    assert_eq!(verdict_of("relay"), ["note", "failed"]);
    assert!(sink.mails().is_empty());

    environment.insert("PDS_EMAIL_SMTP_URL".to_owned(), "smtp://127.0.0.1:1".to_owned());
    environment.insert("PDS_DATA_DIRECTORY".to_owned(), "/nowhere".to_owned());
    let found = verdicts(&doctor(&["--json"], &environment));
    for check in ["disk", "mail"] {
        assert!(found.contains(&(check.to_owned(), "failed".to_owned())), "{found:?}");
    }
}
