//! The blobs that a record refers to.

use atproto_data::{Cid, Map, Value};

use super::RecordError;

/// A reference to a blob in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlobRef {
    pub(super) cid: Cid,
}

/// All blob references in a record, in the order of its encoding.
pub(super) fn blob_refs(record: &Value) -> Result<Vec<BlobRef>, RecordError> {
    let mut found = Vec::new();
    // Depth is bounded by the record's; a stack of our own keeps the path for messages.
    let mut open = vec![(record, "$".to_owned())];
    while let Some((value, path)) = open.pop() {
        match value {
            Value::Map(map) => {
                if let Some(blob) = blob_ref(map) {
                    found.push(blob);
                } else if is_legacy(map) {
                    return Err(RecordError::LegacyBlob { path });
                } else {
                    open.extend(
                        map.iter()
                            .filter(nested)
                            .map(|(key, value)| (value, format!("{path}.{key}"))),
                    );
                }
            }
            Value::Array(items) => {
                let items = items.iter().enumerate().filter(|(_, item)| is_nested(item));
                open.extend(items.map(|(index, item)| (item, format!("{path}[{index}]"))));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn nested(entry: &(&str, &Value)) -> bool {
    is_nested(entry.1)
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::Array(_))
}

fn blob_ref(map: &Map) -> Option<BlobRef> {
    if map.get("$type").and_then(Value::as_str) != Some("blob") {
        return None;
    }
    map.get("ref").and_then(Value::as_link).map(|cid| BlobRef { cid })
}

/// `{cid, mimeType}` and nothing else: the form of 2022, still in old repos, refused in new records.
fn is_legacy(map: &Map) -> bool {
    map.len() == 2
        && map
            .get("cid")
            .and_then(Value::as_str)
            .is_some_and(|cid| cid.parse::<Cid>().is_ok())
        && map.get("mimeType").and_then(Value::as_str).is_some()
}
