//! A server that is put back to an older copy of its data, and a relay that knows what came after (catalogue F13).

use std::process::Command;

use atproto_data::Tid;
use atproto_repo::Frame;
use atproto_repo::frame::AccountStatus;
use serde_json::json;

use crate::firehose::StreamVerifier;
use crate::harness::{ADMIN_PASSWORD, copy_directory, seq};
use crate::{Account, TestApp};

const NOTE: &str = "com.example.note";

/// A server whose relay has seen more than the server remembers.
struct Restored {
    app: TestApp,
    alice: Account,
    /// Deactivated when the copy had been made.
    bob: Account,
    relay: StreamVerifier,
    /// Of Alice's last commit that the relay saw.
    rev: Tid,
}

impl Restored {
    async fn server() -> Restored {
        let mut app = TestApp::start().await;
        let (alice, bob) = (app.account("alice").await, app.account("bob").await);
        alice.create(NOTE, "before", &json!({"text": "in the copy"})).await;
        app.stop().await;
        let copy = app.scratch().join("copy");
        copy_directory(&app.data(), &copy);

        app.start_again().await;
        let mut relay = StreamVerifier::new(&app.plc);
        let mut firehose = app.firehose(Some(0)).await;
        for number in 0..5 {
            let rkey = format!("lost{number}");
            alice.create(NOTE, &rkey, &json!({"text": "not in the copy"})).await;
        }
        relay.read_up_to(&mut firehose, &alice).await;
        bob.call("com.atproto.server.deactivateAccount", &json!({})).await.ok();
        while relay.repos[&bob.did].status != Some(AccountStatus::Deactivated) {
            relay.accept(&firehose.frame().await);
        }
        let (_, rev) = alice.head().await;
        app.stop().await;

        std::fs::remove_dir_all(app.data()).unwrap();
        copy_directory(&copy, &app.data());
        app.start_again().await;
        Restored {
            app,
            alice,
            bob,
            relay,
            rev,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_number_is_given_twice() {
    let Restored {
        app, alice, relay, rev, ..
    } = Restored::server().await;
    let mut firehose = app.firehose(Some(relay.cursor)).await;
    alice.create(NOTE, "after", &json!({"text": "new"})).await;
    let frame = firehose.frame().await;
    assert!(
        matches!(frame, Frame::Commit(_)) && seq(&frame) > relay.cursor,
        "{frame:?}"
    );
    assert!(alice.head().await.1 > rev, "revs go on too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_learns_what_was_lost() {
    let Restored {
        app,
        alice,
        bob,
        mut relay,
        ..
    } = Restored::server().await;
    let mut firehose = app.firehose(Some(relay.cursor)).await;
    let resynced = Command::new(env!("CARGO_BIN_EXE_pds"))
        .args(["relay", "resync", "--url", &format!("http://{}", app.api.address())])
        .env_clear()
        .env("PDS_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .output()
        .unwrap();
    assert!(resynced.status.success(), "{resynced:?}");
    assert_eq!(resynced.stdout, b"accounts\t2\n");

    // Of the relay's records of Alice those are gone that are not here: reading compares them.
    relay.read_up_to(&mut firehose, &alice).await;
    let before = format!("{NOTE}/before");
    assert_eq!(relay.repos[&alice.did].records.keys().collect::<Vec<_>>(), [&before]);
    relay.read_up_to(&mut firehose, &bob).await;
    assert_eq!(relay.repos[&bob.did].status, None, "he is back");
    for account in [&alice, &bob] {
        account.create(NOTE, "after", &json!({"text": "new"})).await;
        relay.read_up_to(&mut firehose, account).await;
    }
}
