//! An account and what its owner does.

use atproto_data::{Cid, Did, Tid};
use serde_json::{Value, json};

use super::{Answer, Api};

/// An account with an open session.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) did: Did,
    pub(crate) handle: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) api: Api,
}

impl Account {
    /// From the answer to `createAccount` or `createSession`.
    pub(crate) fn new(api: &Api, session: &Value) -> Account {
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        Account {
            did: text("did").parse().unwrap(),
            handle: text("handle"),
            access: text("accessJwt"),
            refresh: text("refreshJwt"),
            api: api.clone(),
        }
    }

    /// A procedure by this account.
    pub(crate) async fn call(&self, nsid: &str, input: &Value) -> Answer {
        self.try_call(nsid, input).await.unwrap()
    }

    /// As [`Account::call`], for when the server may be dying.
    pub(crate) async fn try_call(&self, nsid: &str, input: &Value) -> Result<Answer, reqwest::Error> {
        Answer::to(self.api.post(nsid).bearer_auth(&self.access).json(input)).await
    }

    /// A query by this account.
    pub(crate) async fn query(&self, nsid: &str, params: &[(&str, &str)]) -> Answer {
        Answer::to(self.api.get(nsid, params).bearer_auth(&self.access))
            .await
            .unwrap()
    }

    /// `getSession` with an access token.
    pub(crate) async fn session(&self) -> Answer {
        self.query("com.atproto.server.getSession", &[]).await
    }

    /// The input of a write of one record; its `$type` is filled in by the server.
    pub(crate) fn write(&self, collection: &str, rkey: &str, record: &Value) -> Value {
        json!({"repo": self.did.as_str(), "collection": collection, "rkey": rkey, "record": record})
    }

    /// Creates a record; returns the answer's JSON.
    pub(crate) async fn create(&self, collection: &str, rkey: &str, record: &Value) -> Value {
        self.call("com.atproto.repo.createRecord", &self.write(collection, rkey, record))
            .await
            .ok()
    }

    /// Puts a record; returns the answer's JSON.
    pub(crate) async fn put(&self, collection: &str, rkey: &str, record: &Value) -> Value {
        self.call("com.atproto.repo.putRecord", &self.write(collection, rkey, record))
            .await
            .ok()
    }

    /// Deletes a record; returns the answer's JSON.
    pub(crate) async fn delete(&self, collection: &str, rkey: &str) -> Value {
        let input = json!({"repo": self.did.as_str(), "collection": collection, "rkey": rkey});
        self.call("com.atproto.repo.deleteRecord", &input).await.ok()
    }

    /// Several writes in one commit.
    pub(crate) async fn apply(&self, writes: &[Value]) -> Answer {
        let input = json!({"repo": self.did.as_str(), "writes": writes});
        self.call("com.atproto.repo.applyWrites", &input).await
    }

    /// CID and rev of the repo's head.
    pub(crate) async fn head(&self) -> (Cid, Tid) {
        let head = self
            .api
            .query("com.atproto.sync.getLatestCommit", &[("did", self.did.as_str())])
            .await
            .ok();
        (
            head["cid"].as_str().unwrap().parse().unwrap(),
            head["rev"].as_str().unwrap().parse().unwrap(),
        )
    }

    /// The whole repo as a CAR.
    pub(crate) async fn export(&self) -> Vec<u8> {
        self.api
            .query("com.atproto.sync.getRepo", &[("did", self.did.as_str())])
            .await
            .bytes()
    }
}

/// A create for [`Account::apply`].
pub(crate) fn create_write(collection: &str, rkey: &str, value: &Value) -> Value {
    json!({"$type": "com.atproto.repo.applyWrites#create", "collection": collection, "rkey": rkey, "value": value})
}
