//! The protocol's vectors of lexicon documents and of records.

#![expect(clippy::unwrap_used, reason = "tests")]

mod vectors;

use atproto_data::{Map, Value};
use atproto_lexicon::{Catalogue, Document, RecordInvalid, Validity};
use serde_json::{Value as Json, json};

fn read(name: &str) -> Option<Json> {
    let text = vectors::read(&format!("lexicon/{name}.json"))?;
    Some(serde_json::from_str(&text).unwrap())
}

fn cases(name: &str) -> Vec<Json> {
    read(name).map_or_else(Vec::new, |cases| cases.as_array().unwrap().clone())
}

fn parse(document: &Json) -> Result<Document, String> {
    Document::from_json(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn valid_documents() {
    for case in cases("lexicon-valid") {
        let catalogue = parse(&case["lexicon"]).map(|document| Catalogue::from_documents(&[document]));
        assert!(matches!(catalogue, Ok(Ok(_))), "must be valid: {}", case["name"]);
    }
    for name in ["permission-set", "procedure", "query", "record", "subscription"] {
        if let Some(document) = read(&format!("catalog/{name}")) {
            assert_eq!(parse(&document).err(), None, "must be valid: {name}");
        }
    }
}

#[test]
fn invalid_documents() {
    for case in cases("lexicon-invalid") {
        assert!(parse(&case["lexicon"]).is_err(), "must be invalid: {}", case["name"]);
    }
}

/// JSON to the data model without the checks of `atproto_data::json`: the vectors have base64 that is not canonical and
/// blobs whose CID is not a raw one. Of bytes only the number is right.
fn data(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Integer(number.as_i64().unwrap()),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(data).collect()),
        Json::Object(members) => match (members.get("$link"), members.get("$bytes")) {
            (Some(link), _) => Value::Link(link.as_str().unwrap().parse().unwrap()),
            (_, Some(base64)) => Value::Bytes(vec![0; base64.as_str().unwrap().len() * 3 / 4]),
            _ => Value::Map(members.iter().map(|(key, value)| (key.clone(), data(value))).collect()),
        },
    }
}

fn validate(catalogue: &Catalogue, case: &Json) -> Result<Validity, RecordInvalid> {
    let Value::Map(record) = data(&case["data"]) else {
        return Ok(Validity::Unknown);
    };
    let collection = record.get("$type").and_then(Value::as_str).unwrap().parse().unwrap();
    let rkey = case["rkey"].as_str().unwrap().parse().unwrap();
    let record: Map = record;
    catalogue.validate_record(&collection, &rkey, &record, "$.record")
}

fn catalogue() -> Option<Catalogue> {
    let document = parse(&read("catalog/record")?).unwrap();
    Some(Catalogue::from_documents(&[document]).unwrap())
}

#[test]
fn valid_records() {
    let Some(catalogue) = catalogue() else { return };
    for case in cases("record-data-valid") {
        assert_eq!(validate(&catalogue, &case), Ok(Validity::Valid), "{}", case["name"]);
    }
}

#[test]
fn invalid_records() {
    let Some(catalogue) = catalogue() else { return };
    for mut case in cases("record-data-invalid") {
        assert!(
            validate(&catalogue, &case).is_err(),
            "must be invalid: {}",
            case["name"]
        );
        // Some lack a required property too, which must not be all that is wrong with them.
        if case["data"]["integer"].is_null() && case["name"] != "missing required field" {
            case["data"]["integer"] = 1.into();
            assert!(
                validate(&catalogue, &case).is_err(),
                "must be invalid: {}",
                case["name"]
            );
        }
    }
}

/// A catalogue of one record whose property `text` has a string format.
fn catalogue_of_format(format: &str) -> Catalogue {
    let properties = json!({"text": {"type": "string", "format": format}});
    let main = json!({"type": "record", "key": "any", "record": {"type": "object", "properties": properties}});
    let document = json!({"lexicon": 1, "id": "com.example.record", "defs": {"main": main}});
    Catalogue::from_documents(&[parse(&document).unwrap()]).unwrap()
}

fn matches(catalogue: &Catalogue, text: &str) -> bool {
    let case = json!({"rkey": "a", "data": {"$type": "com.example.record", "text": text}});
    validate(catalogue, &case).is_ok()
}

#[test]
fn string_formats() {
    let formats = [
        ("at-identifier", "atidentifier"),
        ("at-uri", "aturi"),
        ("cid", "cid"),
        ("datetime", "datetime"),
        ("did", "did"),
        ("handle", "handle"),
        ("language", "language"),
        ("nsid", "nsid"),
        ("record-key", "recordkey"),
        ("tid", "tid"),
        ("uri", "uri"),
    ];
    for (format, name) in formats {
        let catalogue = catalogue_of_format(format);
        for kind in ["valid", "invalid"] {
            let text = vectors::read(&format!("syntax/{name}_syntax_{kind}.txt")).unwrap_or_default();
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            // Stricter than the syntax, as the reference implementation is: CIDs must be base32.
            for line in lines.filter(|line| format != "cid" || line.starts_with('b')) {
                assert_eq!(matches(&catalogue, line), kind == "valid", "{format} {kind}: {line:?}");
            }
        }
    }
}
