//! The protocol's vectors of the data model.
#![expect(clippy::unwrap_used, reason = "tests")]

mod vectors;

use atproto_data::{Cid, Value, cbor, json};
use data_encoding::BASE64_NOPAD;

fn cases(name: &str) -> Vec<serde_json::Value> {
    let text = vectors::read(&format!("data-model/data-model-{name}.json"));
    text.map(|text| serde_json::from_str(&text).unwrap())
        .unwrap_or_default()
}

/// A top-level value as records have it: it must be a map.
fn read(case: &serde_json::Value) -> Option<Value> {
    let json = case["json"].to_string();
    json::from_slice(json.as_bytes())
        .ok()
        .filter(|value| value.as_map().is_some())
}

#[test]
fn valid() {
    for case in cases("valid") {
        let value = read(&case).unwrap_or_else(|| unreachable!("must be valid: {}", case["note"]));
        assert_eq!(cbor::decode(&cbor::encode(&value)), Ok(value.clone()));
        assert_eq!(json::from_slice(&json::to_vec(&value)), Ok(value));
    }
}

#[test]
fn invalid() {
    for case in cases("invalid") {
        assert_eq!(read(&case), None, "must be invalid: {}", case["note"]);
    }
}

#[test]
fn fixtures() {
    for case in cases("fixtures") {
        let value = read(&case).unwrap();
        let bytes = BASE64_NOPAD
            .decode(case["cbor_base64"].as_str().unwrap().as_bytes())
            .unwrap();
        assert_eq!(cbor::encode(&value), bytes);
        assert_eq!(cbor::decode(&bytes), Ok(value));
        assert_eq!(Cid::of_dag_cbor(&bytes).to_string(), case["cid"].as_str().unwrap());
        let mut transcoded = Vec::new();
        json::write_cbor_as_json(&bytes, &mut transcoded).unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&transcoded).unwrap(),
            case["json"]
        );
    }
}
