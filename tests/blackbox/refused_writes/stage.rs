//! A server with an account that has something of everything that can be changed, and the calls that change it.

use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, FaultyDisk, password};
use crate::repo_car::verify_repo;
use crate::{Account, Answer, TestApp};

pub(super) const NOTE: &str = "com.example.note";
/// A key that nobody holds.
const SOME_KEY: &str = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";

/// Who makes a call.
#[derive(Clone, Copy)]
pub(super) enum By {
    Nobody,
    Alice,
    AliceRefreshing,
    Administrator,
}

/// An account with something of everything that can be changed.
pub(super) struct Stage {
    pub(super) app: TestApp,
    pub(super) alice: Account,
    invite: String,
    note: Value,
}

impl Stage {
    pub(super) async fn set(disk: &FaultyDisk) -> Stage {
        let settings = [
            ("PDS_METRICS_PORT", "0"),
            ("PDS_EMAIL_SMTP_URL", "smtp://127.0.0.1:1"),
            ("PDS_EMAIL_FROM_ADDRESS", "noreply@pds.test"),
            ("PDS_MODERATION_EMAIL_SMTP_URL", "smtp://127.0.0.1:1"),
            ("PDS_MODERATION_EMAIL_ADDRESS", "moderation@pds.test"),
        ];
        let app = TestApp::start_on(disk, &settings).await;
        let alice = app.account("alice").await;
        let note = alice.create(NOTE, "kept", &json!({"text": "kept"})).await;
        // An export of more than fits the memory that each has.
        for rkey in ["large1", "large2", "large3", "large4"] {
            let large = json!({"text": rkey.repeat(130_000)});
            alice.create(NOTE, rkey, &large).await;
        }
        let named = json!({"name": "phone"});
        alice.call("com.atproto.server.createAppPassword", &named).await.ok();
        let invite = app.invite(1).await;
        Stage {
            app,
            alice,
            invite,
            note,
        }
    }

    async fn code(&self, purpose: &str) -> String {
        let input = json!({"account": self.alice.did.as_str(), "purpose": purpose});
        let code = self.app.administer("internal.pds.admin.issueCode", &input).await.ok();
        code["code"].as_str().unwrap().to_owned()
    }

    /// Calls that change something, each of which would succeed.
    pub(super) async fn calls(&self) -> Vec<(By, &'static str, Value)> {
        let mut calls = self.calls_about_records();
        calls.extend(self.calls_by_administrators());
        calls.extend(self.calls_with_codes().await);
        let did = self.alice.did.as_str();
        let none = Value::Null;
        calls.extend([
            (
                By::Nobody,
                "server.createSession",
                json!({"identifier": did, "password": password("alice")}),
            ),
            (
                By::Nobody,
                "server.createAccount",
                json!({
                    "handle": "bob.test",
                    "email": "bob@mail.example.com",
                    "password": password("bob"),
                    "inviteCode": self.invite,
                }),
            ),
            (
                By::Nobody,
                "server.reserveSigningKey",
                json!({"did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}),
            ),
            (By::AliceRefreshing, "server.refreshSession", none.clone()),
            (By::AliceRefreshing, "server.deleteSession", none.clone()),
            (By::Alice, "server.createAppPassword", json!({"name": "tablet"})),
            (By::Alice, "server.revokeAppPassword", json!({"name": "phone"})),
            (By::Alice, "server.requestEmailConfirmation", none.clone()),
            (By::Alice, "server.requestAccountDelete", none.clone()),
            (By::Alice, "server.deactivateAccount", json!({})),
            (By::Alice, "identity.requestPlcOperationSignature", none),
            (By::Alice, "identity.updateHandle", json!({"handle": "alice-new.test"})),
        ]);
        calls
    }

    fn calls_about_records(&self) -> Vec<(By, &'static str, Value)> {
        let note = json!({"text": "new"});
        let key = json!({"repo": self.alice.did.as_str(), "collection": NOTE, "rkey": "kept"});
        let writes = json!([crate::create_write(NOTE, "b", &note)]);
        vec![
            (By::Alice, "repo.createRecord", self.alice.write(NOTE, "a", &note)),
            (By::Alice, "repo.putRecord", self.alice.write(NOTE, "kept", &note)),
            (
                By::Alice,
                "repo.applyWrites",
                json!({"repo": self.alice.did.as_str(), "writes": writes}),
            ),
            (By::Alice, "repo.deleteRecord", key),
        ]
    }

    fn calls_by_administrators(&self) -> Vec<(By, &'static str, Value)> {
        let did = self.alice.did.as_str();
        let takedown = json!({"applied": true, "ref": "1"});
        let account = json!({"$type": "com.atproto.admin.defs#repoRef", "did": did});
        let record = json!({
            "$type": "com.atproto.repo.strongRef",
            "uri": self.note["uri"],
            "cid": self.note["cid"],
        });
        [
            ("server.createInviteCode", json!({"useCount": 1})),
            ("server.createInviteCodes", json!({"codeCount": 2, "useCount": 1})),
            ("admin.disableInviteCodes", json!({"codes": [self.invite]})),
            ("admin.disableAccountInvites", json!({"account": did})),
            (
                "admin.updateAccountEmail",
                json!({"account": did, "email": "other@mail.example.com"}),
            ),
            (
                "admin.updateAccountPassword",
                json!({"did": did, "password": "another password"}),
            ),
            (
                "admin.updateAccountHandle",
                json!({"did": did, "handle": "alice-other.test"}),
            ),
            (
                "admin.updateSubjectStatus",
                json!({"subject": account, "takedown": takedown}),
            ),
            (
                "admin.updateSubjectStatus",
                json!({"subject": record, "takedown": takedown}),
            ),
            (
                "admin.sendEmail",
                json!({"recipientDid": did, "senderDid": did, "content": "Hello", "subject": "Hello"}),
            ),
            ("admin.deleteAccount", json!({"did": did})),
            ("temp.addReservedHandle", json!({"handle": "reserved.test"})),
            ("temp.revokeAccountCredentials", json!({"account": did})),
        ]
        .map(|(nsid, input)| (By::Administrator, nsid, input))
        .into()
    }

    async fn calls_with_codes(&self) -> Vec<(By, &'static str, Value)> {
        let did = self.alice.did.as_str();
        let (confirm, reset) = (self.code("confirm-email").await, self.code("reset-password").await);
        let (delete, sign) = (self.code("delete-account").await, self.code("plc-operation").await);
        vec![
            (
                By::Alice,
                "server.confirmEmail",
                json!({"email": "alice@mail.example.com", "token": confirm}),
            ),
            (
                By::Nobody,
                "server.resetPassword",
                json!({"token": reset, "password": "another password"}),
            ),
            (
                By::Nobody,
                "server.deleteAccount",
                json!({"did": did, "password": password("alice"), "token": delete}),
            ),
            (
                By::Alice,
                "identity.signPlcOperation",
                json!({"token": sign, "rotationKeys": [SOME_KEY]}),
            ),
        ]
    }

    pub(super) async fn make(&self, by: By, nsid: &str, input: &Value) -> Answer {
        let request = self.app.api.post(&format!("com.atproto.{nsid}"));
        let request = match by {
            By::Nobody => request,
            By::Alice => request.bearer_auth(&self.alice.access),
            By::AliceRefreshing => request.bearer_auth(&self.alice.refresh),
            By::Administrator => request.basic_auth("admin", Some(ADMIN_PASSWORD)),
        };
        let request = if input.is_null() { request } else { request.json(input) };
        Answer::to(request).await.unwrap()
    }

    /// Makes every call; all are refused, and say why.
    pub(super) async fn assert_all_refused(&self, calls: &[(By, &str, Value)], reason: &str) {
        for (by, nsid, input) in calls {
            let answer = self.make(*by, nsid, input).await;
            assert_eq!(answer.status, 503, "{nsid}: {}", answer.text());
            let message = answer.refused(503, "NotEnoughResources");
            assert!(
                message.contains(reason) && message.contains("try again later"),
                "{nsid}: {message}"
            );
        }
        let preferences = json!({"preferences": [{"$type": "app.bsky.actor.defs#adultContentPref", "enabled": true}]});
        let put = self.alice.call("app.bsky.actor.putPreferences", &preferences).await;
        put.refused(503, "NotEnoughResources");
        self.upload(b"refused").await.refused(503, "NotEnoughResources");
        let import = self
            .alice
            .api
            .post("com.atproto.repo.importRepo")
            .bearer_auth(&self.alice.access);
        let import = import
            .header("content-type", "application/vnd.ipld.car")
            .body(self.alice.export().await);
        Answer::to(import).await.unwrap().refused(503, "NotEnoughResources");
    }

    pub(super) async fn upload(&self, bytes: &'static [u8]) -> Answer {
        let upload = self
            .alice
            .api
            .post("com.atproto.repo.uploadBlob")
            .bearer_auth(&self.alice.access);
        Answer::to(upload.header("content-type", "text/plain").body(bytes))
            .await
            .unwrap()
    }

    pub(super) async fn assert_readable(&self) {
        let note = [
            ("repo", self.alice.did.as_str()),
            ("collection", NOTE),
            ("rkey", "kept"),
        ];
        let record = self.app.api.query("com.atproto.repo.getRecord", &note).await.ok();
        assert_eq!(record["value"]["text"], "kept");
        self.alice.session().await.ok();
        self.assert_verifiable().await;
    }

    async fn assert_verifiable(&self) {
        let key = self.app.plc.signing_key(&self.alice.did);
        verify_repo(&self.alice.export().await, &self.alice.did, &key);
    }

    /// Nothing was half done: calls work as if for the first time.
    pub(super) async fn assert_works_again(&self, calls: &[(By, &str, Value)]) {
        let again = [
            "Record",
            "createSession",
            "createAccount",
            "refreshSession",
            "createInviteCode",
            "requestAccountDelete",
        ];
        let is_again = |nsid: &str| again.iter().any(|name| nsid.ends_with(name));
        for (by, nsid, input) in calls.iter().filter(|(_, nsid, _)| is_again(nsid)) {
            let answer = self.make(*by, nsid, input).await;
            assert_eq!(answer.status, 200, "{nsid}: {}", answer.text());
        }
        self.upload(b"taken").await.ok();
        self.assert_verifiable().await;
    }
}
