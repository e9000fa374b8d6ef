//! Who may read what of an account in which state: every method that reads repos (catalogue D17, E5, L8).

use std::borrow::ToOwned;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::harness::{ADMIN_PASSWORD, password};
use crate::{Account, Answer, TestApp};

const NOTE: &str = "com.example.note";

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Nobody,
    /// Somebody with an account of their own.
    Other,
    /// With the session that an account in this state gets.
    Owner,
    Admin,
}

/// The state of the account that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    Deactivated,
    TakenDown,
    Deleted,
}

/// To whom a method shows what is not active.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// To the owner and administrators; others are told the account's state.
    ToOwnerAndAdmin,
    /// To nobody; all are told the account's state.
    ToNobody,
    /// To nobody; it is as if there were nothing, which is this error.
    AsAbsent(&'static str),
    /// To all: it tells the state alone.
    ToAll,
}

const METHODS: [(&str, Shown); 12] = [
    ("com.atproto.sync.getRepo", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getCheckout", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getBlocks", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getRecord", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getLatestCommit", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getHead", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.listBlobs", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getBlob", Shown::ToOwnerAndAdmin),
    ("com.atproto.sync.getRepoStatus", Shown::ToAll),
    ("com.atproto.repo.describeRepo", Shown::ToNobody),
    ("com.atproto.repo.listRecords", Shown::AsAbsent("InvalidRequest")),
    ("com.atproto.repo.getRecord", Shown::AsAbsent("RecordNotFound")),
];

/// What a method says to a caller: nothing against it, or the error.
fn expected(shown: Shown, state: State, caller: Caller) -> Option<&'static str> {
    let refusal = match state {
        State::Active => return None,
        State::Deactivated => "RepoDeactivated",
        State::TakenDown => "RepoTakendown",
        State::Deleted => "RepoNotFound",
    };
    match (shown, caller) {
        (Shown::AsAbsent(error), _) => Some(error),
        (Shown::ToOwnerAndAdmin, Caller::Owner | Caller::Admin) | (Shown::ToAll, _) if state != State::Deleted => None,
        _ => Some(refusal),
    }
}

/// An account with one record that refers to one blob, somebody else, and the parameters that name what the account has.
struct Scene {
    app: TestApp,
    alice: Account,
    bob: Account,
    record: String,
    blob: String,
}

impl Scene {
    async fn set() -> Scene {
        let app = TestApp::start().await;
        let (alice, bob) = (app.account("alice").await, app.account("bob").await);
        let upload = app
            .api
            .post("com.atproto.repo.uploadBlob")
            .bearer_auth(&alice.access)
            .header(CONTENT_TYPE, "text/plain")
            .body("of alice");
        let blob = Answer::to(upload).await.unwrap().ok()["blob"].clone();
        let record = alice.create(NOTE, "a", &json!({"file": blob})).await;
        Scene {
            record: record["cid"].as_str().map(ToOwned::to_owned).unwrap(),
            blob: blob["ref"]["$link"].as_str().map(ToOwned::to_owned).unwrap(),
            app,
            alice,
            bob,
        }
    }

    async fn ask(&self, nsid: &str, caller: Caller) -> Answer {
        let did = self.alice.did.as_str();
        let mut params = vec![
            ("did", did),
            ("repo", did),
            ("collection", NOTE),
            ("rkey", "a"),
            ("cids", &self.record),
        ];
        if nsid.ends_with("getBlob") {
            params.push(("cid", &self.blob));
        }
        let request = self.app.api.get(nsid, &params);
        let request = match caller {
            Caller::Nobody => request,
            Caller::Other => request.bearer_auth(&self.bob.access),
            Caller::Owner => request.bearer_auth(&self.alice.access),
            Caller::Admin => request.basic_auth("admin", Some(ADMIN_PASSWORD)),
        };
        Answer::to(request).await.unwrap()
    }

    /// Asks everything as everybody who may exist.
    async fn assert_visible_as(&self, state: State) {
        let callers = match state {
            State::Deleted => &[Caller::Nobody, Caller::Other, Caller::Admin][..],
            _ => &[Caller::Nobody, Caller::Other, Caller::Owner, Caller::Admin],
        };
        for (nsid, shown) in METHODS {
            for &caller in callers {
                let answer = self.ask(nsid, caller).await;
                let error: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let refusal = error["error"].as_str().filter(|_| answer.status == 400);
                let wanted = expected(shown, state, caller);
                assert_eq!(refusal, wanted, "{nsid} of {state:?} to {caller:?}: {}", answer.text());
                assert!(
                    wanted.is_some() || answer.status == 200,
                    "{nsid} of {state:?} to {caller:?}: {}",
                    answer.status
                );
            }
        }
        self.assert_listed_as(state).await;
    }

    /// `listRepos` names inactive accounts with their state, `listReposByCollection` not at all.
    async fn assert_listed_as(&self, state: State) {
        let is_alice = |repo: &&Value| repo["did"] == self.alice.did.as_str();
        let all = self.app.api.query("com.atproto.sync.listRepos", &[]).await.ok();
        let listed = all["repos"].as_array().unwrap().iter().find(is_alice);
        let listed = listed.map(|repo| (repo["active"].as_bool().unwrap(), repo["status"].as_str()));
        let wanted = match state {
            State::Active => Some((true, None)),
            State::Deactivated => Some((false, Some("deactivated"))),
            State::TakenDown => Some((false, Some("takendown"))),
            State::Deleted => None,
        };
        assert_eq!(listed, wanted, "listRepos of {state:?}");
        let params = [("collection", NOTE)];
        let found = self
            .app
            .api
            .query("com.atproto.sync.listReposByCollection", &params)
            .await
            .ok();
        let found = found["repos"].as_array().unwrap().iter().any(|repo| is_alice(&repo));
        assert_eq!(found, state == State::Active, "listReposByCollection of {state:?}");
    }

    async fn take_down(&self, applied: bool) {
        let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": self.alice.did.as_str()});
        let input = json!({"subject": subject, "takedown": {"applied": applied}});
        self.app
            .administer("com.atproto.admin.updateSubjectStatus", &input)
            .await
            .ok();
    }

    /// Signs alice in, also if she is taken down.
    async fn sign_in(&mut self) {
        let login =
            json!({"identifier": self.alice.did.as_str(), "password": password("alice"), "allowTakendown": true});
        let session = self
            .app
            .api
            .procedure("com.atproto.server.createSession", &login)
            .await
            .ok();
        self.alice = Account::new(&self.app.api, &session);
    }
}

#[tokio::test]
async fn everybody_reads_what_they_may_and_nothing_else() {
    let mut scene = Scene::set().await;
    scene.assert_visible_as(State::Active).await;

    scene
        .alice
        .call("com.atproto.server.deactivateAccount", &json!({}))
        .await
        .ok();
    scene.assert_visible_as(State::Deactivated).await;
    let activate = scene.app.api.post("com.atproto.server.activateAccount");
    let activate = activate.bearer_auth(&scene.alice.access);
    Answer::to(activate).await.unwrap().ok();

    scene.take_down(true).await;
    scene.sign_in().await;
    scene.assert_visible_as(State::TakenDown).await;
    scene.take_down(false).await;
    scene.sign_in().await;
    scene.assert_visible_as(State::Active).await;

    let input = json!({"did": scene.alice.did.as_str()});
    scene
        .app
        .administer("com.atproto.admin.deleteAccount", &input)
        .await
        .ok();
    scene.assert_visible_as(State::Deleted).await;
}

#[tokio::test]
async fn an_account_is_let_up_and_switched_on_in_one_decision() {
    let app = TestApp::start().await;
    let alice = app.account("alice").await;
    let decide = async |applied: bool| {
        let subject = json!({"$type": "com.atproto.admin.defs#repoRef", "did": alice.did});
        let status = json!({"applied": applied});
        let input = json!({"subject": subject, "takedown": status, "deactivated": status});
        app.administer("com.atproto.admin.updateSubjectStatus", &input)
            .await
            .ok();
        let of_alice = [("did", alice.did.as_str())];
        app.api.query("com.atproto.sync.getRepoStatus", &of_alice).await.ok()["active"].clone()
    };
    assert_eq!(decide(true).await, false);
    assert_eq!(decide(false).await, true);
}
