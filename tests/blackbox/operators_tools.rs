//! What operators of the reference server use, call by call: the scripts of `pdsadmin`, and `goat pds admin`.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::ADMIN_PASSWORD;
use crate::{Answer, TestApp};

/// A server as the tools see it: addresses, the admin password, and bodies as they write them.
struct Tool<'a>(&'a TestApp);

impl Tool<'_> {
    /// `curl --fail --user admin:…`
    async fn get(&self, nsid: &str, params: &[(&str, &str)]) -> Value {
        let request = self.0.api.get(nsid, params).basic_auth("admin", Some(ADMIN_PASSWORD));
        Answer::to(request).await.unwrap().ok()
    }

    /// `curl --fail --request POST --header "Content-Type: application/json" --user admin:… --data …`
    async fn post(&self, nsid: &str, data: String) -> Value {
        let request = self.posting(nsid, data).basic_auth("admin", Some(ADMIN_PASSWORD));
        Answer::to(request).await.unwrap().ok()
    }

    /// The same without the password.
    async fn post_as_anybody(&self, nsid: &str, data: String) -> Value {
        Answer::to(self.posting(nsid, data)).await.unwrap().ok()
    }

    fn posting(&self, nsid: &str, data: String) -> RequestBuilder {
        let request = self.0.api.post(nsid).header("content-type", "application/json");
        request.body(data)
    }

    async fn can_log_in(&self, handle: &str, password: &str) -> bool {
        let input = json!({"identifier": handle, "password": password});
        let answer = self.0.api.procedure("com.atproto.server.createSession", &input).await;
        answer.status == 200
    }
}

#[tokio::test]
async fn the_scripts_of_pdsadmin_work_unchanged() {
    let app = TestApp::start().await;
    let tool = Tool(&app);
    // create-invite-code, account create
    let code = tool
        .post("com.atproto.server.createInviteCode", r#"{"useCount": 1}"#.to_owned())
        .await;
    let code = code["code"].as_str().unwrap();
    let data = format!(
        r#"{{"email":"alice@mail.example.com", "handle":"alice.test", "password":"abcdefghijklmnopqrstuvwx", "inviteCode":"{code}"}}"#
    );
    let created = tool.post_as_anybody("com.atproto.server.createAccount", data).await;
    let did = created["did"].as_str().unwrap();
    // account list
    let listed = app
        .api
        .query("com.atproto.sync.listRepos", &[("limit", "100")])
        .await
        .ok();
    assert_eq!(listed["repos"][0]["did"], did);
    let info = tool.get("com.atproto.admin.getAccountInfo", &[("did", did)]).await;
    for (name, value) in [
        ("handle", "alice.test"),
        ("email", "alice@mail.example.com"),
        ("did", did),
    ] {
        assert_eq!(info[name], value);
    }
    // account reset-password
    let data = format!(r#"{{ "did": "{did}", "password": "another-password-12345678" }}"#);
    tool.post("com.atproto.admin.updateAccountPassword", data).await;
    assert!(tool.can_log_in("alice.test", "another-password-12345678").await);
    // account takedown, untakedown
    let subject = format!(r#""subject": {{ "$type": "com.atproto.admin.defs#repoRef", "did": "{did}" }}"#);
    let data = format!(r#" {{ {subject}, "takedown": {{ "applied": true, "ref": "1795000000" }} }}"#);
    tool.post("com.atproto.admin.updateSubjectStatus", data).await;
    assert!(!tool.can_log_in("alice.test", "another-password-12345678").await);
    let data = format!(r#" {{ {subject}, "takedown": {{ "applied": false }} }}"#);
    tool.post("com.atproto.admin.updateSubjectStatus", data).await;
    assert!(tool.can_log_in("alice.test", "another-password-12345678").await);
    // account delete
    tool.post("com.atproto.admin.deleteAccount", format!(r#"{{"did": "{did}"}}"#))
        .await;
    let listed = app
        .api
        .query("com.atproto.sync.listRepos", &[("limit", "100")])
        .await
        .ok();
    assert_eq!(listed["repos"], json!([]));
}

#[tokio::test]
async fn goat_pds_admin_works_unchanged() {
    let app = TestApp::start().await;
    let tool = Tool(&app);
    // create-invites, account create
    let code = tool
        .post("com.atproto.server.createInviteCode", r#"{"useCount":3}"#.to_owned())
        .await;
    let code = code["code"].as_str().unwrap();
    let data = json!({
        "email": "alice@mail.example.com", "handle": "alice.test", "inviteCode": code, "password": "alice-pass",
        "recoveryKey": "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
    });
    let created = tool
        .post_as_anybody("com.atproto.server.createAccount", data.to_string())
        .await;
    let alice = crate::Account::new(&app.api, &created);
    let did = alice.did.as_str();
    assert_eq!(app.plc.last(&alice.did)["rotationKeys"][0], data["recoveryKey"]);
    // account list: with the password although nobody asks for it
    let listed = tool.get("com.atproto.sync.listRepos", &[("limit", "500")]).await;
    assert_eq!(
        (&listed["repos"][0]["did"], &listed["repos"][0]["active"]),
        (&json!(did), &json!(true))
    );
    assert!(listed["repos"][0]["rev"].is_string() && listed["repos"][0]["head"].is_string());
    // account info, update
    let data = json!({"account": did, "email": "alicia@mail.example.com"});
    tool.post("com.atproto.admin.updateAccountEmail", data.to_string())
        .await;
    let data = json!({"did": did, "handle": "alicia.test"});
    tool.post("com.atproto.admin.updateAccountHandle", data.to_string())
        .await;
    let info = tool.get("com.atproto.admin.getAccountInfo", &[("did", did)]).await;
    assert_eq!(
        (&info["handle"], &info["email"]),
        (&json!("alicia.test"), &json!("alicia@mail.example.com"))
    );
    assert!(info["indexedAt"].is_string() && info["invitesDisabled"].is_boolean());
    // account reset-password
    let data = json!({"did": did, "password": "LLK6XW3TVBUZEGYJIBBAMI5EBQ"});
    tool.post("com.atproto.admin.updateAccountPassword", data.to_string())
        .await;
    assert!(tool.can_log_in("alicia.test", "LLK6XW3TVBUZEGYJIBBAMI5EBQ").await);
    // account takedown, and --reverse
    for applied in [true, false] {
        let data = json!({
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
            "takedown": {"applied": applied},
        });
        tool.post("com.atproto.admin.updateSubjectStatus", data.to_string())
            .await;
        assert_eq!(
            tool.can_log_in("alicia.test", "LLK6XW3TVBUZEGYJIBBAMI5EBQ").await,
            !applied
        );
    }
    goat_judges_a_blob(&tool, &app, did).await;
    // account delete
    tool.post("com.atproto.admin.deleteAccount", json!({"did": did}).to_string())
        .await;
    assert!(!tool.can_log_in("alicia.test", "LLK6XW3TVBUZEGYJIBBAMI5EBQ").await);
}

/// `goat pds admin blob status`, `purge` and `purge --reverse`.
async fn goat_judges_a_blob(tool: &Tool<'_>, app: &TestApp, did: &str) {
    let login = json!({"identifier": "alicia.test", "password": "LLK6XW3TVBUZEGYJIBBAMI5EBQ"});
    let session = app.api.procedure("com.atproto.server.createSession", &login).await.ok();
    let alice = crate::Account::new(&app.api, &session);
    let upload = app.api.post("com.atproto.repo.uploadBlob").bearer_auth(&alice.access);
    let uploaded = Answer::to(upload.header("content-type", "text/plain").body("hello"))
        .await
        .unwrap()
        .ok();
    alice
        .create("com.example.file", "a", &json!({"file": uploaded["blob"]}))
        .await;
    let cid = uploaded["blob"]["ref"]["$link"].as_str().unwrap();
    for applied in [true, false] {
        let data = json!({
            "subject": {"$type": "com.atproto.admin.defs#repoBlobRef", "cid": cid, "did": did},
            "takedown": {"applied": applied},
        });
        tool.post("com.atproto.admin.updateSubjectStatus", data.to_string())
            .await;
        let status = tool
            .get("com.atproto.admin.getSubjectStatus", &[("blob", cid), ("did", did)])
            .await;
        assert_eq!(status["subject"]["$type"], "com.atproto.admin.defs#repoBlobRef");
        assert_eq!(
            (&status["subject"]["cid"], &status["takedown"]["applied"]),
            (&json!(cid), &json!(applied))
        );
        let served = app
            .api
            .query("com.atproto.sync.getBlob", &[("did", did), ("cid", cid)])
            .await;
        assert_eq!(served.status == 200, !applied);
    }
}
