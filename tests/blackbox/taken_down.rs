//! What the owner of a taken down account may still do: fetch what is theirs, object, and leave (catalogue AD).

use serde_json::{Value, json};

use crate::harness::{AppView, SERVICE_DID, SmtpSink, password};
use crate::mailed_codes::request;
use crate::proxy::server;
use crate::{Account, Answer, TestApp};

const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";
const SERVICE_AUTH: &str = "com.atproto.server.getServiceAuth";

struct TakenDown {
    app: TestApp,
    appview: AppView,
    sink: SmtpSink,
    /// With the session that taken down accounts get.
    owner: Account,
    /// CID of a blob that one of its records refers to.
    blob: String,
}

impl TakenDown {
    async fn start() -> TakenDown {
        let (appview, sink) = (AppView::start().await, SmtpSink::start().await);
        let (mail, url, did) = (sink.url(), appview.url(), appview.did());
        let settings = [
            ("PDS_EMAIL_SMTP_URL", mail.as_str()),
            ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
            ("PDS_REPORT_SERVICE_URL", &url),
            ("PDS_REPORT_SERVICE_DID", &did),
        ];
        let app = server(&appview, &settings).await;
        let alice = app.account("alice").await;
        let blob = refer_to_a_blob(&alice).await;
        let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": alice.did});
        let decision = json!({"subject": subject, "takedown": {"applied": true}});
        app.administer("com.atproto.admin.updateSubjectStatus", &decision)
            .await
            .ok();
        let login = json!({"identifier": "alice.test", "password": password("alice"), "allowTakendown": true});
        let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
        assert_eq!(
            (&session["active"], &session["status"]),
            (&json!(false), &json!("takendown"))
        );
        TakenDown {
            owner: Account::new(&app.api, &session),
            app,
            appview,
            sink,
            blob,
        }
    }
}

async fn upload(account: &Account) -> Answer {
    let request = account.api.post("com.atproto.repo.uploadBlob");
    let request = request
        .bearer_auth(&account.access)
        .header("content-type", "text/plain");
    Answer::to(request.body("a blob")).await.unwrap()
}

async fn refer_to_a_blob(account: &Account) -> String {
    let blob = upload(account).await.ok()["blob"].clone();
    account
        .create("com.example.file", "a", &json!({"file": blob.clone()}))
        .await;
    blob["ref"]["$link"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn owners_of_taken_down_accounts_fetch_all_and_leave() {
    let TakenDown {
        app,
        appview,
        sink,
        owner,
        blob,
    } = TakenDown::start().await;
    let did = owner.did.as_str();
    let repo = owner.query("com.atproto.sync.getRepo", &[("did", did)]).await.bytes();
    assert!(!repo.is_empty());
    let blobs = owner.query("com.atproto.sync.listBlobs", &[("did", did)]).await.ok();
    assert_eq!(blobs["cids"], json!([blob]));
    let of_blob = [("did", did), ("cid", blob.as_str())];
    assert_eq!(
        owner.query("com.atproto.sync.getBlob", &of_blob).await.bytes(),
        b"a blob"
    );
    let preferences = owner.query("app.bsky.actor.getPreferences", &[]).await.ok();
    assert_eq!(preferences["preferences"], json!([]));

    let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": did});
    let appeal = json!({"reasonType": "com.atproto.moderation.defs#reasonAppeal", "subject": subject});
    let got = owner.call("com.atproto.moderation.createReport", &appeal).await.ok();
    assert_eq!(got["token"]["payload"]["iss"], did);
    assert_eq!(appview.calls().len(), 1);

    let to_move = [("aud", SERVICE_DID), ("lxm", CREATE_ACCOUNT)];
    assert!(owner.query(SERVICE_AUTH, &to_move).await.ok()["token"].is_string());
    request(&owner, "com.atproto.identity.requestPlcOperationSignature")
        .await
        .ok();
    let code = sink.mail(0).await.code();
    let sign = "com.atproto.identity.signPlcOperation";
    let signed = owner.call(sign, &json!({"token": code})).await.ok();
    assert_eq!(signed["operation"]["type"], "plc_operation");
    owner
        .call("com.atproto.server.deactivateAccount", &json!({}))
        .await
        .ok();
    let status = [("did", did)];
    let status = app.api.query("com.atproto.sync.getRepoStatus", &status).await.ok();
    assert_eq!(
        (&status["active"], &status["status"]),
        (&json!(false), &json!("takendown"))
    );
}

#[tokio::test]
async fn owners_of_taken_down_accounts_change_nothing_and_speak_to_nobody() {
    let TakenDown {
        app, appview, owner, ..
    } = TakenDown::start().await;
    let write = owner.write("com.example.note", "a", &json!({"text": "x"}));
    for (nsid, input) in [
        ("com.atproto.repo.createRecord", write.clone()),
        ("com.atproto.repo.putRecord", write.clone()),
        ("com.atproto.repo.deleteRecord", write),
        ("com.atproto.repo.applyWrites", json!({"repo": owner.did, "writes": []})),
        (
            "com.atproto.server.updateEmail",
            json!({"email": "new@mail.example.com"}),
        ),
        ("com.atproto.server.createAppPassword", json!({"name": "app"})),
        ("com.atproto.identity.updateHandle", json!({"handle": "renamed.test"})),
        ("app.bsky.actor.putPreferences", json!({"preferences": []})),
        ("com.example.doThings", json!({})),
    ] {
        assert_bad_scope(&owner.call(nsid, &input).await, nsid);
    }
    assert_bad_scope(&upload(&owner).await, "uploadBlob");
    for nsid in [
        "com.atproto.server.requestAccountDelete",
        "com.atproto.server.requestEmailUpdate",
        "com.atproto.server.requestEmailConfirmation",
        "com.atproto.server.activateAccount",
    ] {
        assert_bad_scope(&request(&owner, nsid).await, nsid);
    }
    for lxm in ["", "com.atproto.repo.uploadBlob", "app.bsky.feed.getTimeline"] {
        let params = [("aud", SERVICE_DID), ("lxm", lxm)];
        assert_bad_scope(&owner.query(SERVICE_AUTH, &params).await, lxm);
    }
    assert_bad_scope(
        &owner.query("app.bsky.unspecced.getThings", &[]).await,
        "a query elsewhere",
    );
    assert!(appview.calls().is_empty());
    // It opens the owner's repo, nobody else's.
    let bob = app.account("bob").await;
    let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": bob.did});
    let decision = json!({"subject": subject, "takedown": {"applied": true}});
    app.administer("com.atproto.admin.updateSubjectStatus", &decision)
        .await
        .ok();
    let of_bob = [("did", bob.did.as_str())];
    owner
        .query("com.atproto.sync.getRepo", &of_bob)
        .await
        .refused(400, "RepoTakendown");
}

fn assert_bad_scope(answer: &Answer, what: &str) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status, body["error"].as_str()),
        (400, Some("InvalidToken")),
        "{what}: {body}"
    );
}
