//! Valid records: one of every collection, and two with most of what records can hold.

use atproto_data::{Map, Nsid, RecordKey, Value, json};

/// A valid record and its key.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    pub(crate) collection: Nsid,
    pub(crate) rkey: RecordKey,
    pub(crate) record: Map,
}

/// What `records.json` holds.
pub(crate) fn all() -> Vec<Example> {
    let Value::Array(examples) = json::from_slice(include_bytes!("records.json")).unwrap() else {
        return Vec::new();
    };
    examples.iter().map(read).collect()
}

fn read(example: &Value) -> Example {
    let member = |key| example.as_map().and_then(|map: &Map| map.get(key)).unwrap();
    let record = member("record").as_map().unwrap().clone();
    Example {
        collection: record.get("$type").and_then(Value::as_str).unwrap().parse().unwrap(),
        rkey: member("rkey").as_str().unwrap().parse().unwrap(),
        record,
    }
}
