//! `pds doctor`: what it says of a server that works, and of what does not.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::TestApp;
use crate::harness::{ADMIN_PASSWORD, SmtpSink, TestRelay};

pub(crate) fn doctor(arguments: &[&str], environment: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command.arg("doctor").args(arguments).env_clear().envs(environment);
    command.output().unwrap()
}

/// Check and verdict of each finding.
pub(crate) fn verdicts(output: &Output) -> Vec<(String, String)> {
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
    for check in ["disk", "alive", "firehose", "PLC directory", "mail", "clock"] {
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

/// Passes connections on to `target`, and breaks off those that ask for the firehose.
async fn proxy_without_web_sockets(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move {
                let (mut sent, mut answered) = ([0; 4096], [0; 4096]);
                loop {
                    tokio::select! {
                        Ok(bytes @ 1..) = client.read(&mut sent) => {
                            if String::from_utf8_lossy(&sent[..bytes]).contains("subscribeRepos") {
                                return;
                            }
                            server.write_all(&sent[..bytes]).await.unwrap();
                        }
                        Ok(bytes @ 1..) = server.read(&mut answered) => client.write_all(&answered[..bytes]).await.unwrap(),
                        else => return,
                    }
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_is_a_finding_like_others() {
    let app = TestApp::start().await;
    let url = proxy_without_web_sockets(app.api.address()).await;
    let output = doctor(&["--url", &url], &with_password(ADMIN_PASSWORD));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let failed: Vec<_> = text.lines().filter(|line| line.starts_with("FAILED")).collect();
    assert!(
        failed.len() == 1 && failed[0].starts_with("FAILED\tfirehose\t"),
        "{text}"
    );
    assert!(text.contains("ok\tadmin password\t"), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of 8 checks failed"));
}
