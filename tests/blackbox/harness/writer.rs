//! A client that writes records without pause and remembers what it was promised.

use std::collections::BTreeMap;

use atproto_data::{Cid, cbor, json as data_json};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::dice::Dice;
use super::{Account, Answer};

const COLLECTION: &str = "com.example.note";

/// A writer with records of its own in an account's repo.
pub(crate) struct Writer {
    pub(crate) account: Account,
    name: String,
    dice: Dice,
    written: u64,
    /// What the server acknowledged: CID by path.
    pub(crate) promised: BTreeMap<String, Cid>,
    /// The write that was never answered: its path and what is there if it happened.
    pub(crate) unanswered: Option<(String, Option<Cid>)>,
    /// All acknowledged commits.
    pub(crate) commits: Vec<Cid>,
}

impl Writer {
    pub(crate) fn new(account: &Account, name: String, dice: Dice) -> Writer {
        let account = account.clone();
        Writer {
            account,
            name,
            dice,
            written: 0,
            promised: BTreeMap::new(),
            unanswered: None,
            commits: Vec::new(),
        }
    }

    /// Writes until the server does not answer any more; adds a permit to `acknowledged` for every write.
    pub(crate) async fn write_until_the_end(&mut self, acknowledged: &Semaphore) {
        while self.write().await {
            acknowledged.add_permits(1);
        }
    }

    /// One write. False if the server is gone or going.
    pub(crate) async fn write(&mut self) -> bool {
        let chance = self.dice.below(10);
        let old = self.promised.len() as u64;
        let path = match chance {
            0..=6 => None,
            _ if old == 0 => None,
            _ => self
                .promised
                .keys()
                .nth(usize::try_from(self.dice.below(old)).unwrap())
                .cloned(),
        };
        match path {
            Some(path) if chance == 9 => self.delete(path).await,
            path => self.put(path).await,
        }
    }

    async fn put(&mut self, path: Option<String>) -> bool {
        self.written += 1;
        let path = path.unwrap_or_else(|| format!("{COLLECTION}/{}-{}", self.name, self.written));
        let text = "x".repeat(usize::try_from(self.dice.below(400)).unwrap());
        let record = json!({"$type": COLLECTION, "number": self.written, "writer": self.name, "text": text});
        let cid = cid_of(&record);
        let input = self.account.write(COLLECTION, rkey(&path), &record);
        self.send("com.atproto.repo.putRecord", &input, path, Some(cid)).await
    }

    async fn delete(&mut self, path: String) -> bool {
        let input = json!({"repo": self.account.did.as_str(), "collection": COLLECTION, "rkey": rkey(&path)});
        self.send("com.atproto.repo.deleteRecord", &input, path, None).await
    }

    async fn send(&mut self, nsid: &str, input: &Value, path: String, after: Option<Cid>) -> bool {
        self.unanswered = Some((path.clone(), after));
        let Ok(answer) = self.account.try_call(nsid, input).await else {
            return false;
        };
        if is_leaving(&answer) {
            return false;
        }
        let answer = answer.ok();
        self.unanswered = None;
        self.commits
            .push(answer["commit"]["cid"].as_str().unwrap().parse().unwrap());
        if let Some(cid) = after {
            assert_eq!(answer["cid"].as_str().unwrap(), cid.to_string());
            self.promised.insert(path, cid);
        } else {
            self.promised.remove(&path);
        }
        true
    }

    /// Compares what was promised with what is there, takes note of whether the unanswered write happened, and forgets nothing else.
    pub(crate) fn settle(&mut self, records: &BTreeMap<String, Cid>) {
        if let Some((path, after)) = self.unanswered.take() {
            let found = records.get(&path).copied();
            let before = self.promised.get(&path).copied();
            assert!(
                found == before || found == after,
                "{path}: {found:?} is neither {before:?} nor {after:?}"
            );
            match found {
                Some(cid) => self.promised.insert(path, cid),
                None => self.promised.remove(&path),
            };
        }
        let own = format!("{COLLECTION}/{}-", self.name);
        let found: BTreeMap<_, _> = records.iter().filter(|(path, _)| path.starts_with(&own)).collect();
        assert_eq!(found, self.promised.iter().collect(), "what {} was promised", self.name);
    }
}

/// Whether the server says that it is ending: the write may or may not have happened.
fn is_leaving(answer: &Answer) -> bool {
    answer.status == 503
}

fn rkey(path: &str) -> &str {
    path.split_once('/').unwrap().1
}

/// The CID of a record.
pub(crate) fn cid_of(record: &Value) -> Cid {
    let value = data_json::from_slice(record.to_string().as_bytes()).unwrap();
    Cid::of_dag_cbor(&cbor::encode(&value))
}
