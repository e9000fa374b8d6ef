//! What the AppView does not know yet of an account, shown as the AppView would show it.
//!
//! Views are JSON as the AppView gives it: where it has another form than expected, it stays as it is.

pub mod embed;
pub mod feed;
mod images;
pub mod post;
pub mod profile;
pub mod thread;

use atproto_data::json::write_cbor_as_json;
use atproto_data::{Cid, Did, Map, Nsid, RecordKey, Value as DataValue, cbor};
use atproto_lexicon::{Catalogue, Validity};
use serde_json::Value;

use crate::clock::rfc3339_millis;
use crate::repo::RecentRecord;

pub use images::ImageUrls;

/// The collection of posts.
const POSTS: &str = "app.bsky.feed.post";
/// The collection of profiles.
pub const PROFILES: &str = "app.bsky.actor.profile";
/// The one profile of an account.
const PROFILE_PATH: &str = "app.bsky.actor.profile/self";

/// A record of the account's, valid by its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalRecord {
    /// `at://did/collection/rkey`.
    pub uri: String,
    /// Its CID.
    pub cid: String,
    /// When it was written, as the AppView says when it saw a record.
    pub indexed_at: String,
    /// The record.
    pub value: Value,
    micros: i64,
}

/// What an account wrote since the AppView looked.
#[derive(Clone, Debug, Default)]
pub struct LocalRecords {
    /// The profile, if it changed.
    pub profile: Option<LocalRecord>,
    /// Posts, oldest first.
    pub posts: Vec<LocalRecord>,
}

impl LocalRecords {
    /// Whether a record may be shown: posts and the profile.
    pub fn has_place_for(path: &str) -> bool {
        path == PROFILE_PATH || path.split('/').next() == Some(POSTS)
    }

    /// Takes what is valid.
    pub fn of(did: &Did, records: Vec<RecentRecord>) -> LocalRecords {
        let mut local = LocalRecords::default();
        for record in records {
            let is_profile = record.path == PROFILE_PATH;
            match LocalRecord::of(did, &record) {
                Some(record) if is_profile => local.profile = Some(record),
                Some(record) => local.posts.push(record),
                None => tracing::debug!(%did, path = record.path, "a record that is not valid is not shown"),
            }
        }
        local
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.profile.is_none() && self.posts.is_empty()
    }

    /// How long ago the oldest of it was written, in ms: the header `Atproto-Upstream-Lag`.
    pub fn lag_millis(&self, now_micros: i64) -> Option<i64> {
        let oldest = self
            .posts
            .iter()
            .chain(&self.profile)
            .map(|record| record.micros)
            .min()?;
        Some(((now_micros - oldest) / 1_000).max(0))
    }
}

impl LocalRecord {
    fn of(did: &Did, record: &RecentRecord) -> Option<LocalRecord> {
        let (collection, rkey) = record.path.split_once('/')?;
        let micros = i64::try_from(record.rev.micros()).ok()?;
        Some(LocalRecord {
            uri: format!("at://{did}/{}", record.path),
            cid: record.cid.to_string(),
            indexed_at: rfc3339_millis(micros),
            value: if collection == PROFILES {
                profile_json(&record.content)?
            } else {
                valid_json(collection, rkey, &record.content)?
            },
            micros,
        })
    }
}

/// A record as JSON, if it is what its schema says.
fn valid_json(collection: &str, rkey: &str, content: &[u8]) -> Option<Value> {
    is_valid(collection, rkey, &map(content)?).then(|| json(content))?
}

/// The fields of a profile that are what its schema says, or were in its first years: whoever has an old one has a name all the same.
pub fn profile_json(content: &[u8]) -> Option<Value> {
    let record = map(content)?;
    let kind = record.get("$type")?;
    let is_sound = |name: &str| {
        let value = record.get(name)?;
        let alone = [("$type".to_owned(), kind.clone()), (name.to_owned(), value.clone())];
        Some(is_valid(PROFILES, "self", &alone.into_iter().collect()))
    };
    let mut json = json(content)?;
    json.as_object_mut()?
        .retain(|name, value| is_sound(name).unwrap_or(false) || old_blob_cid(value).is_some());
    Some(json)
}

fn map(content: &[u8]) -> Option<Map> {
    match cbor::decode(content).ok()? {
        DataValue::Map(record) => Some(record),
        _ => None,
    }
}

fn json(content: &[u8]) -> Option<Value> {
    let mut json = Vec::new();
    write_cbor_as_json(content, &mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

fn is_valid(collection: &str, rkey: &str, record: &Map) -> bool {
    let (Ok(collection), Ok(rkey)) = (collection.parse::<Nsid>(), rkey.parse::<RecordKey>()) else {
        return false;
    };
    let validity = Catalogue::bundled().validate_record(&collection, &rkey, record, "$");
    matches!(validity, Ok(Validity::Valid))
}

/// The CID of a blob in a record's JSON.
fn blob_cid(blob: &Value) -> Option<&str> {
    blob["ref"]["$link"].as_str().or_else(|| old_blob_cid(blob))
}

/// The CID of a blob as records named them before blobs had a type: `{cid, mimeType}`.
fn old_blob_cid(blob: &Value) -> Option<&str> {
    let cid = blob["cid"].as_str().filter(|_| blob["mimeType"].is_string())?;
    cid.parse::<Cid>().is_ok().then_some(cid)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

    #[test]
    fn an_old_profile_has_what_is_well_formed() {
        let avatar = json!({"cid": CID, "mimeType": "image/jpeg"});
        let record = json!({
            "$type": PROFILES,
            "displayName": "Old",
            "description": "x".repeat(3_000),
            "avatar": avatar,
            "banner": {"cid": "no CID", "mimeType": "image/jpeg"},
            "website": 7,
        });
        let record = atproto_data::json::from_slice(record.to_string().as_bytes()).unwrap();
        let shown = profile_json(&cbor::encode(&record)).unwrap();
        assert_eq!(
            shown,
            json!({"$type": PROFILES, "displayName": "Old", "avatar": avatar})
        );
        assert_eq!(blob_cid(&shown["avatar"]), Some(CID));
        assert_eq!(profile_json(&cbor::encode(&DataValue::Null)), None);
    }

    #[test]
    fn the_lag_is_that_of_the_oldest() {
        let record = |micros| LocalRecord {
            uri: String::new(),
            cid: String::new(),
            indexed_at: String::new(),
            value: Value::Null,
            micros,
        };
        let mut local = LocalRecords::default();
        assert_eq!(local.lag_millis(9_000_000), None);
        local.posts = vec![record(5_000_000), record(7_000_000)];
        assert_eq!(local.lag_millis(9_000_999), Some(4_000));
        local.profile = Some(record(1_500_000));
        assert_eq!(local.lag_millis(9_000_000), Some(7_500));
        assert_eq!(local.lag_millis(1_000_000), Some(0), "the clock went back");
    }
}
