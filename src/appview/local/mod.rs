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
use atproto_data::{Did, Map, Nsid, RecordKey, Value as DataValue, cbor};
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
            value: valid_json(collection, rkey, &record.content)?,
            micros,
        })
    }
}

/// A record as JSON, if it is what its schema says.
pub fn valid_json(collection: &str, rkey: &str, content: &[u8]) -> Option<Value> {
    let (collection, rkey): (Nsid, RecordKey) = (collection.parse().ok()?, rkey.parse().ok()?);
    let record: Map = match cbor::decode(content).ok()? {
        DataValue::Map(record) => record,
        _ => return None,
    };
    let validity = Catalogue::bundled()
        .validate_record(&collection, &rkey, &record, "$")
        .ok()?;
    if validity != Validity::Valid {
        return None;
    }
    let mut json = Vec::new();
    write_cbor_as_json(content, &mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The CID of a blob in a record's JSON.
fn blob_cid(blob: &Value) -> Option<&str> {
    blob["ref"]["$link"].as_str()
}
