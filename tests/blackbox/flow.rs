//! The life of a server in a minute: invite, account, session, record, list, export, restart.

use serde_json::json;

use crate::firehose::StreamVerifier;
use crate::repo_car::verify_repo;
use crate::{Account, TestApp};

const POST: &str = "app.bsky.feed.post";
const FIRST: &str = "3lzzzzzzzzz22";
const SECOND: &str = "3lzzzzzzzzz23";
const NOW: &str = "2026-01-01T00:00:00.000Z";

#[tokio::test]
async fn everything_is_kept_through_a_restart() {
    let mut app = TestApp::start().await;
    let alice = app.account("alice").await;
    let record = json!({"text": "Hello, world", "createdAt": NOW});
    let created = alice.create(POST, FIRST, &record).await;
    assert_eq!(created["uri"], format!("at://{}/{POST}/{FIRST}", alice.did));

    let login = json!({"identifier": "Alice.Test", "password": crate::harness::password("alice")});
    let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    let again = Account::new(&app.api, &session);
    assert_eq!((&again.did, again.handle.as_str()), (&alice.did, "alice.test"));
    let before = view(&app, &alice).await;

    app.restart().await;
    assert_eq!(view(&app, &alice).await, before);
    assert_eq!(
        alice.session().await.ok()["did"],
        alice.did.as_str(),
        "sessions outlive a restart"
    );
    again.create(POST, SECOND, &record).await;

    let key = app.plc.signing_key(&alice.did);
    let repo = verify_repo(&alice.export().await, &alice.did, &key);
    assert_eq!(
        repo.records.keys().collect::<Vec<_>>(),
        [FIRST, SECOND]
            .map(|rkey| format!("{POST}/{rkey}"))
            .iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(repo.records[&format!("{POST}/{FIRST}")].to_string(), created["cid"]);
    assert_eq!((repo.commit, repo.rev), alice.head().await);
}

/// What the world sees of an account.
async fn view(app: &TestApp, account: &Account) -> Vec<serde_json::Value> {
    let did = account.did.as_str();
    let repo = [("repo", did), ("collection", POST)];
    let query = async |nsid: &str, params: &[(&str, &str)]| app.api.query(nsid, params).await.ok();
    vec![
        query("com.atproto.repo.listRecords", &repo).await,
        query("com.atproto.repo.getRecord", &[repo[0], repo[1], ("rkey", FIRST)]).await,
        query("com.atproto.repo.describeRepo", &[("repo", "alice.test")]).await,
        query("com.atproto.identity.resolveHandle", &[("handle", "alice.test")]).await,
        query("com.atproto.sync.listRepos", &[]).await,
        query("com.atproto.sync.getRepoStatus", &[("did", did)]).await,
        query("com.atproto.sync.getLatestCommit", &[("did", did)]).await,
        json!(account.export().await),
    ]
}

#[tokio::test]
async fn the_firehose_tells_the_whole_story() {
    let app = TestApp::start().await;
    let mut live = app.firehose(None).await;
    let alice = app.account("alice").await;
    alice
        .create(POST, FIRST, &json!({"text": "one", "createdAt": NOW}))
        .await;
    alice.put(POST, FIRST, &json!({"text": "two", "createdAt": NOW})).await;
    alice
        .put(POST, SECOND, &json!({"text": "three", "createdAt": NOW}))
        .await;
    alice.delete(POST, FIRST).await;

    let mut backfill = app.firehose(Some(0)).await;
    let mut verifier = StreamVerifier::new(&app.plc);
    for _ in 0..8 {
        let frame = live.frame().await;
        assert_eq!(backfill.frame().await, frame, "live and from the log are the same");
        verifier.accept(&frame);
    }
    let replica = &verifier.repos[&alice.did];
    assert_eq!(
        replica.kinds[..4],
        ["#identity", "#account", "#commit", "#sync"],
        "as relays expect it"
    );
    assert_eq!(replica.kinds[4..], ["#commit"; 4]);
    let key = app.plc.signing_key(&alice.did);
    assert_eq!(
        replica.records,
        verify_repo(&alice.export().await, &alice.did, &key).records
    );
    assert!(verifier.is_at(&alice.did, alice.head().await.0));
}
