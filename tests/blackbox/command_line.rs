//! The command line beside a running server.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, password};
use crate::{Answer, TestApp};

/// Runs `pds` with these arguments and the admin password in the environment.
fn pds(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command
        .args(arguments)
        .env_clear()
        .env("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD)
        // Nobody listens there, whatever else runs on this machine.
        .env("PDS_PORT", "1")
        .output()
        .unwrap()
}

/// As [`pds`], with something to read.
fn pds_with(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
    command
        .args(arguments)
        .env_clear()
        .env("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The JSON that a verb prints.
fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&output(arguments)).unwrap()
}

/// The standard output of a verb that must succeed.
pub(crate) fn output(arguments: &[&str]) -> String {
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
    let codes = json_of(&["invite", "list", "--json", "--url", &url]);
    let is_good = |code: &&Value| code["disabled"] == false && code["uses"].as_array().unwrap().is_empty();
    assert_eq!(codes.as_array().unwrap().iter().find(is_good), None, "{codes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invites_are_made() {
    let app = TestApp::start().await;
    let url = format!("http://{}", app.api.address());
    let code = output(&["invite", "create", "--url", &url]);
    let mut input = app.sign_up("alice").await;
    input["inviteCode"] = json!(code);
    app.api.procedure("com.atproto.server.createAccount", &input).await.ok();
    let mut wrong = Command::new(env!("CARGO_BIN_EXE_pds"));
    let wrong = wrong.args(["invite", "create", "--url", &url]).env_clear();
    let wrong = wrong.env("PDS_ADMIN_PASSWORD", "wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(4));
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(error.contains("401"), "{error}");
    assert!(!error.contains("wrong\n") && !error.contains(ADMIN_PASSWORD), "{error}");
    // Where nobody can be asked, no password is no password.
    let mut unset = Command::new(env!("CARGO_BIN_EXE_pds"));
    let unset = unset
        .args(["invite", "create", "--url", &url])
        .env_clear()
        .stdin(Stdio::null());
    assert_eq!(unset.output().unwrap().status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invites_are_listed_and_disabled() {
    let app = TestApp::start().await;
    let url = format!("http://{}", app.api.address());
    let code = json_of(&["invite", "create", "--uses", "3", "--json", "--url", &url]);
    let code = code["code"].as_str().unwrap();
    assert_eq!(
        output(&["invite", "list", "--url", &url]),
        format!("{code}\t0\t3\t-\tadmin")
    );
    output(&["invite", "disable", code, "--url", &url]);
    let listed = json_of(&["invite", "list", "--json", "--url", &url]);
    assert_eq!(
        (&listed[0]["code"], &listed[0]["disabled"]),
        (&json!(code), &json!(true))
    );
    for (arguments, status) in [(&["x-aaaaa-aaaaa"][..], 5), (&[], 1)] {
        let arguments = [&["invite", "disable", "--url", &url], arguments].concat();
        assert_eq!(pds(&arguments).status.code(), Some(status), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_looked_at_and_changed() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let did = alice.did.as_str();
    let url = format!("http://{}", app.api.address());
    let run = |arguments: &[&str]| json_of(&[arguments, &["--json", "--url", &url]].concat());

    let info = run(&["account", "info", "@alice.test"]);
    assert_eq!(
        (&info["did"], &info["email"]),
        (&json!(did), &json!("alice@mail.example.com"))
    );
    assert_eq!(
        (&info["status"], &info["emailConfirmed"]),
        (&json!("active"), &json!(false))
    );
    assert_eq!(run(&["account", "info", "Alice@mail.example.com"]), info);
    let nobody = pds(&["account", "info", "nobody@mail.example.com", "--url", &url]);
    assert_eq!(nobody.status.code(), Some(5));
    let record = json!({"text": "x"});
    alice.create("com.example.note", "a", &record).await;
    let info = run(&["account", "info", did]);
    assert_eq!((&info["records"], &info["blobs"]), (&json!(1), &json!(0)));
    assert!(info["recordBytes"].as_i64().unwrap() > 30, "{info}");
    let lines = output(&["account", "info", did, "--url", &url]);
    assert!(
        lines.contains("handle\talice.test\n") && lines.contains("emailAuthFactor\tfalse"),
        "{lines}"
    );

    let taken = run(&["account", "takedown", "alice.test", "--ref", "case 1"]);
    assert_eq!(taken, json!({"did": did, "status": "takendown"}));
    assert_eq!(run(&["account", "list"])[0]["status"], "takendown");
    alice.session().await.refused(401, "AccountTakedown");
    assert_eq!(run(&["account", "untakedown", did])["status"], "active");
    let off =
        json!({"subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did}, "deactivated": {"applied": true}});
    let on = json!({"subject": off["subject"], "deactivated": {"applied": false}});
    let decide = "com.atproto.admin.updateSubjectStatus";
    app.administer(decide, &off).await.ok();
    run(&["account", "takedown", did]);
    assert_eq!(run(&["account", "untakedown", did])["status"], "deactivated");
    app.administer(decide, &on).await.ok();

    run(&["account", "update-handle", did, "alicia.test"]);
    run(&["account", "update-email", "alicia.test", "alicia@mail.example.com"]);
    let log_in = async |password: &str| {
        let input = json!({"identifier": "alicia@mail.example.com", "password": password});
        app.api.procedure("com.atproto.server.createSession", &input).await
    };
    log_in(&password("alice")).await.ok();
    let generated = run(&["account", "reset-password", "alicia.test", "--generate"]);
    log_in(generated["password"].as_str().unwrap()).await.ok();
    let asked = pds_with(&["account", "reset-password", did, "--url", &url], "typed in\n");
    assert!(asked.status.success(), "{asked:?}");
    let unanswered = pds_with(&["account", "reset-password", did, "--url", &url], "");
    assert!(String::from_utf8_lossy(&unanswered.stderr).contains("a line of the standard input"));
    assert!(!String::from_utf8_lossy(&asked.stdout).contains("typed in"));
    assert_eq!(log_in("typed in").await.ok()["handle"], "alicia.test");

    let delete = ["account", "delete", "alicia.test", "--url", &url];
    let kept = pds_with(&delete, "no\n");
    assert_eq!(kept.status.code(), Some(1));
    assert!(pds_with(&delete, "alicia.test\n").status.success());
    let gone = pds(&["account", "info", did, "--url", &url]);
    assert_eq!(gone.status.code(), Some(5));
    assert_eq!(output(&["account", "list", "--url", &url]), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_handed_over_where_there_is_no_mail() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let url = format!("http://{}", app.api.address());
    let code = |purpose: &str| output(&["account", "code", "alice.test", purpose, "--url", &url]);
    let confirm = json!({"email": "alice@mail.example.com", "token": code("confirm-email")});
    alice.call("com.atproto.server.confirmEmail", &confirm).await.ok();
    let reset = json!({"token": code("reset-password"), "password": "new"});
    app.api.procedure("com.atproto.server.resetPassword", &reset).await.ok();
    let delete = json!({"did": alice.did.as_str(), "password": "new", "token": code("delete-account")});
    output(&["account", "clear-second-factor", "alice.test", "--url", &url]);
    app.api
        .procedure("com.atproto.server.deleteAccount", &delete)
        .await
        .ok();

    let wrong = pds(&["account", "code", "alice.test", "nonsense", "--url", &url]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("confirm-email, update-email"));
    let request = app.api.post("internal.pds.admin.issueCode").bearer_auth(&alice.access);
    let input = json!({"account": "alice.test", "purpose": "log-in"});
    Answer::to(request.json(&input))
        .await
        .unwrap()
        .refused(401, "AuthenticationRequired");
}

#[test]
fn what_cannot_be_done_is_said() {
    for arguments in [
        &["account", "list", "--url", "http://127.0.0.1:1"][..],
        &[
            "account",
            "create",
            "--email",
            "a@mail.example.com",
            "--handle",
            "a.test",
            "--password",
            "x",
        ],
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
    let silent = pds(&["account", "list", "--url", "http://127.0.0.1:1"]);
    assert_eq!(silent.status.code(), Some(3));
    let misnamed = pds(&["account", "list", "--url", "pds.example.com"]);
    assert_eq!(misnamed.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&misnamed.stderr).contains("https://"));
    for arguments in [&["account", "list"][..], &["healthcheck"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pds"));
        command.args(arguments).env_clear();
        let settings = [("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD), ("PDS_PORT", "x")];
        let said = command.envs(settings).output().unwrap().stderr;
        assert!(String::from_utf8_lossy(&said).contains("PDS_PORT"), "{arguments:?}");
    }
    assert!(output(&["--version"]).starts_with("pds 0."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_is_told_of_one_account_and_of_all() {
    const SIZES: [&str; 6] = ["records", "recordBytes", "blobs", "blobBytes", "events", "eventBytes"];
    let app = TestApp::start().await;
    let url = format!("http://{}", app.api.address());
    let sizes = |arguments: &[&str]| {
        let told = json_of(&[arguments, &["--json", "--url", &url]].concat());
        SIZES.map(|name| told[name].as_u64().unwrap())
    };
    let mut sums = [0; 6];
    for (name, notes) in [("alice", 1), ("bob", 3)] {
        let account = app.account(name).await;
        for note in 0..notes {
            account
                .create("com.example.note", &note.to_string(), &json!({"text": name}))
                .await;
        }
        let stored = sizes(&["account", "info", account.did.as_str()]);
        let [records, record_bytes, blobs, blob_bytes, events, event_bytes] = stored;
        // Creation is four events.
        assert_eq!((records, blobs, blob_bytes, events), (notes, 0, 0, notes + 4));
        assert!(record_bytes > 30 * notes && event_bytes > 200 * events, "{stored:?}");
        sums = std::array::from_fn(|index| sums[index] + stored[index]);
    }
    assert_eq!(sizes(&["storage"]), sums);
    assert!(output(&["storage", "--url", &url]).contains("events\t12\n"));
}
