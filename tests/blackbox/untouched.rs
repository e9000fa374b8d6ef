//! The rule for every bad input: refused with 4xx and `{error, message}`, nothing secret in it, and the server and its data are as before.

use atproto_data::{Cid, Tid};
use atproto_repo::Frame;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{Account, Answer, Firehose, TestApp};

/// What no message may hold: pieces of SQL, source paths, the names of our insides.
const TELLTALES: [&str; 9] = [
    "SELECT ", "INSERT ", "sqlx", "sqlite", "src/", ".rs:", "panicked", "/tmp/", "Some(",
];

/// An rkey whose key is above layer 0: it parts no node of keys that a test has searched for.
const MARK: &str = "mark5";

/// The state of a server before bad inputs.
pub(crate) struct Untouched {
    process: u32,
    victim: Account,
    head: (Cid, Tid),
    firehose: Firehose,
}

impl Untouched {
    /// Notes what must not change: the process, the account's repo and the firehose.
    pub(crate) async fn of(app: &TestApp, victim: &Account) -> Untouched {
        let firehose = app.firehose(None).await;
        // A commit that has come over the connection proves that it is live.
        let mut untouched = Untouched {
            process: app.process().id(),
            victim: victim.clone(),
            head: victim.head().await,
            firehose,
        };
        untouched.head = untouched.mark().await;
        untouched
    }

    /// Nothing has changed since.
    pub(crate) async fn assert(mut self, app: &TestApp) {
        app.api.query("_health", &[]).await.ok();
        assert_eq!(app.process().id(), self.process, "the same process");
        assert_eq!(self.victim.head().await, self.head, "the head has not moved");
        // The next event of all is the one of this write, and it follows the head that was.
        self.mark().await;
    }

    /// Writes a record whose event must be the next one.
    async fn mark(&mut self) -> (Cid, Tid) {
        let written = self
            .victim
            .put("com.example.mark", MARK, &json!({"after": self.head.1.to_string()}))
            .await;
        let Frame::Commit(commit) = self.firehose.frame().await else {
            panic!("a commit comes next")
        };
        assert_eq!(commit.since, Some(self.head.1));
        assert_eq!(
            written["commit"]["cid"].as_str(),
            Some(commit.commit.to_string().as_str())
        );
        (commit.commit, commit.rev)
    }
}

/// The answer refuses with 4xx as XRPC does and gives nothing away.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, case: &str) {
    assert!(
        (400..500).contains(&answer.status),
        "{case}: {} {}",
        answer.status,
        answer.text()
    );
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{case}: {}", answer.text()));
    for field in ["error", "message"] {
        let text = body[field]
            .as_str()
            .unwrap_or_else(|| panic!("{case}: no {field} in {body}"));
        assert!(!text.is_empty(), "{case}: {field} is empty");
        for telltale in TELLTALES {
            assert!(!text.contains(telltale), "{case}: {text:?} tells of our insides");
        }
    }
}

/// Every one of these requests is refused.
pub(crate) async fn refuse_all(cases: Vec<(String, RequestBuilder)>) {
    for (case, request) in cases {
        let answer = Answer::to(request)
            .await
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_refused(&answer, &case);
    }
}
