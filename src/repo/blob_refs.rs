//! The blobs that a record refers to.

use std::collections::BTreeSet;

use atproto_data::{Cid, Map, Value, cbor};

use super::RecordError;
use crate::blob::BlobRef;

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
                } else if legacy_blob(map).is_some() {
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

/// The blobs that a stored record refers to, each once, those in the form of 2022 included: their account has them still.
pub(super) fn blobs_of(content: &[u8]) -> BTreeSet<Cid> {
    let mut found = BTreeSet::new();
    // Most records have none: both forms say so in a string that is looked for before anything is decoded.
    if !MARKS
        .iter()
        .any(|mark| content.windows(mark.len()).any(|bytes| bytes == *mark))
    {
        return found;
    }
    let Ok(record) = cbor::decode(content) else {
        return found;
    };
    let mut open = vec![&record];
    while let Some(value) = open.pop() {
        match value {
            Value::Map(map) => match blob_ref(map).map(|blob| blob.cid).or_else(|| legacy_blob(map)) {
                Some(cid) => {
                    found.insert(cid);
                }
                None => open.extend(map.iter().map(|(_, value)| value)),
            },
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// `"blob"` and `"mimeType"` in DAG-CBOR.
const MARKS: [&[u8]; 2] = [b"\x64blob", b"\x68mimeType"];

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
    Some(BlobRef {
        cid: map.get("ref").and_then(Value::as_link)?,
        mime_type: map.get("mimeType").and_then(Value::as_str)?.to_owned(),
        size: map.get("size").and_then(Value::as_integer)?,
    })
}

/// `{cid, mimeType}` and nothing else: the form of 2022, still in old repos, refused in new records.
fn legacy_blob(map: &Map) -> Option<Cid> {
    if map.len() != 2 {
        return None;
    }
    map.get("mimeType").and_then(Value::as_str)?;
    map.get("cid").and_then(Value::as_str)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use atproto_data::json;

    use super::*;

    const FIRST: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const SECOND: &str = "bafkreidlp6sdj6jkroakvmbntpy2clsj77foijheae5byt3iwz7d2k542a";

    fn record(json: &str) -> Value {
        json::from_slice(json.as_bytes()).unwrap()
    }

    fn with_blobs() -> Value {
        let blob =
            |cid| format!(r#"{{"$type": "blob", "ref": {{"$link": "{cid}"}}, "mimeType": "image/png", "size": 5}}"#);
        let (first, second) = (blob(FIRST), blob(SECOND));
        record(&format!(
            r#"{{"a": [1, {{"b": {first}}}], "c": {second}, "d": {first}, "e": {{"ref": "{SECOND}"}}}}"#
        ))
    }

    #[test]
    fn blobs_are_found_wherever_they_are() {
        let mut found: Vec<_> = blob_refs(&with_blobs())
            .unwrap()
            .iter()
            .map(|blob| blob.cid.to_string())
            .collect();
        found.sort();
        assert_eq!(found, [SECOND, FIRST, FIRST]);
        let blobs = blobs_of(&cbor::encode(&with_blobs()));
        assert_eq!(blobs, [FIRST, SECOND].iter().map(|cid| cid.parse().unwrap()).collect());
        assert!(blobs_of(&cbor::encode(&record(r#"{"mimeType": "blob", "a": "b"}"#))).is_empty());
        assert!(blobs_of(b"no record, \x64blob").is_empty());
    }

    #[test]
    fn the_old_form_is_read_but_not_written() {
        let old = record(&format!(
            r#"{{"image": {{"cid": "{FIRST}", "mimeType": "image/png"}}}}"#
        ));
        let error = blob_refs(&old).unwrap_err();
        assert_eq!(
            error,
            RecordError::LegacyBlob {
                path: "$.image".to_owned()
            }
        );
        assert_eq!(blobs_of(&cbor::encode(&old)).len(), 1);
    }
}
