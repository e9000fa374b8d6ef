//! The command line beside a running server.

use std::process::{Command, Output};

use serde_json::json;

use crate::TestApp;
use crate::harness::ADMIN_PASSWORD;

/// Runs `pds` with these arguments and the admin password in the environment.
fn pds(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command
        .args(arguments)
        .env_clear()
        .env("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .output()
        .unwrap()
}

/// The standard output of a verb that must succeed.
fn output(arguments: &[&str]) -> String {
    let output = pds(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_and_listed() {
    let app = TestApp::start().await;
    let url = format!("http://{}", app.api.address());
    let create = [
        "account",
        "create",
        "--url",
        &url,
        "--email",
        "alice@mail.example.com",
        "--handle",
        "alice.test",
    ];
    let line = output(&create);
    let [did, handle, password] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    assert_eq!(handle, "alice.test");
    let login = json!({"identifier": handle, "password": password});
    assert_eq!(
        app.api.procedure("com.atproto.server.createSession", &login).await.ok()["did"],
        did
    );
    let rev = app
        .api
        .query("com.atproto.sync.getLatestCommit", &[("did", did)])
        .await
        .ok();
    let rev = rev["rev"].as_str().unwrap();
    assert_eq!(
        output(&["account", "list", "--url", &url]),
        format!("{did}\talice.test\tactive\t{rev}")
    );

    let again = pds(&create);
    assert_eq!(again.status.code(), Some(1));
    let error = String::from_utf8(again.stderr).unwrap();
    assert!(error.contains("Handle already taken: alice.test"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invites_are_made() {
    let app = TestApp::start().await;
    let url = format!("http://{}", app.api.address());
    let code = output(&["invite", "create", "--url", &url]);
    let mut input = app.sign_up("alice").await;
    input["inviteCode"] = json!(code);
    app.api.procedure("com.atproto.server.createAccount", &input).await.ok();
    let wrong = pds(&["invite", "create", "--url", &url, "--admin-password", "wrong"]);
    assert_eq!(wrong.status.code(), Some(1));
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(error.contains("401"), "{error}");
    assert!(!error.contains("wrong\n") && !error.contains(ADMIN_PASSWORD), "{error}");
}

#[test]
fn what_cannot_be_done_is_said() {
    for arguments in [
        &["account", "list", "--url", "http://127.0.0.1:1"][..],
        &["healthcheck"],
        &["nonsense"],
        &["serve", "x"],
    ] {
        let output = pds(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} says why");
        assert!(
            !String::from_utf8_lossy(&output.stderr).contains("panicked"),
            "{output:?}"
        );
    }
    assert!(output(&["--version"]).starts_with("pds 0."));
}
