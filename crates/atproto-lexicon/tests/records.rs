//! Records of the bundled schemas. The messages were taken from the reference implementation.

#![expect(clippy::unwrap_used, reason = "tests")]

mod examples;

use std::collections::HashSet;

use atproto_data::{Map, Nsid, Value, json};
use atproto_lexicon::{Catalogue, Validation, Validity, fill_type};

fn record(text: &str) -> Map {
    json::from_slice(text.as_bytes()).unwrap().as_map().unwrap().clone()
}

/// What a write of this record is answered: the status, or the message. Its key is that of the collection's example.
fn write(collection: &str, text: &str) -> String {
    let example = examples::all()
        .into_iter()
        .find(|example| example.collection.as_str() == collection);
    let rkey = example.map_or_else(|| "any".to_owned(), |example| example.rkey.to_string());
    write_as(Validation::IfKnown, collection, &rkey, text)
}

fn write_as(validation: Validation, collection: &str, rkey: &str, text: &str) -> String {
    let collection: Nsid = collection.parse().unwrap();
    let mut record = record(text);
    let result = fill_type(&mut record, &collection).and_then(|()| {
        let rkey = rkey.parse().unwrap();
        Catalogue::bundled().validate(validation, &collection, &rkey, &record, "$.record")
    });
    match result {
        Ok(status) => status.map_or("none", Validity::as_str).to_owned(),
        Err(error) => error.to_string(),
    }
}

const POST: &str = "app.bsky.feed.post";

#[test]
fn examples_of_every_collection_are_valid() {
    let examples = examples::all();
    for example in &examples {
        let examples::Example {
            collection,
            rkey,
            record,
        } = example;
        let validity = Catalogue::bundled().validate_record(collection, rkey, record, "$");
        assert_eq!(validity, Ok(Validity::Valid), "{collection}");
    }
    let collections: HashSet<&Nsid> = examples.iter().map(|example| &example.collection).collect();
    assert_eq!(collections, Catalogue::bundled().collections().collect());
}

#[test]
fn required_properties_are_required() {
    for example in examples::all() {
        let examples::Example {
            collection,
            rkey,
            record,
        } = example;
        // The examples of few properties have the required ones only.
        if record.contains_key("labels") {
            continue;
        }
        for (key, _) in record.iter().filter(|(key, _)| *key != "$type") {
            let mut record = record.clone();
            record.remove(key);
            let error = Catalogue::bundled().validate_record(&collection, &rkey, &record, "$");
            let expected = format!("Invalid {collection} record: Missing required key \"{key}\" at $");
            assert_eq!(error.unwrap_err().to_string(), expected);
        }
    }
}

#[test]
fn the_write_says_whether_to_validate() {
    let (valid, invalid) = (
        r#"{"text": "", "createdAt": "2024-01-01T00:00:00Z"}"#,
        r#"{"text": ""}"#,
    );
    let missing = "Invalid app.bsky.feed.post record: Missing required key \"createdAt\" at $.record";
    let cases = [
        (Some(true), POST, valid, "valid"),
        (Some(true), POST, invalid, missing),
        (
            Some(true),
            "com.example.thing",
            valid,
            "Unknown lexicon type: com.example.thing",
        ),
        (Some(false), POST, invalid, "none"),
        (Some(false), "com.example.thing", invalid, "none"),
        (None, POST, valid, "valid"),
        (None, POST, invalid, missing),
        (None, "com.example.thing", valid, "unknown"),
    ];
    for (validate, collection, record, expected) in cases {
        let answer = write_as(validate.into(), collection, "3jzfcijpj2z2a", record);
        assert_eq!(answer, expected, "{validate:?} {collection} {record}");
    }
}

#[test]
fn the_type_is_filled_in_or_checked() {
    let collection: Nsid = POST.parse().unwrap();
    let mut record = Map::new();
    assert_eq!(fill_type(&mut record, &collection), Ok(()));
    assert_eq!(record.get("$type"), Some(&Value::String(POST.to_owned())));
    assert_eq!(fill_type(&mut record, &collection), Ok(()));
    assert_eq!(
        write(POST, r#"{"$type": "app.bsky.feed.like"}"#),
        "Invalid $type: expected app.bsky.feed.post, got app.bsky.feed.like"
    );
    record.insert("$type".to_owned(), Value::Null);
    assert_eq!(
        fill_type(&mut record, &collection).unwrap_err().to_string(),
        "Invalid $type: expected app.bsky.feed.post, got null"
    );
}

#[test]
fn record_keys_are_of_the_collections_kind() {
    let cases = [
        (POST, "custom-key", "Invalid TID string (got \"custom-key\")"),
        ("app.bsky.actor.profile", "other", "Expected \"self\" (got \"other\")"),
        ("com.atproto.lexicon.schema", "self", "Invalid NSID (got \"self\")"),
    ];
    for (collection, rkey, message) in cases {
        assert_eq!(
            write_as(Validation::IfKnown, collection, rkey, "{}"),
            format!("Invalid record key for {collection}: {message} at $")
        );
    }
    let generator = examples::all()
        .into_iter()
        .find(|example| example.rkey.as_str() == "any")
        .unwrap();
    assert_eq!(generator.collection.as_str(), "app.bsky.feed.generator");
}

#[test]
fn messages_say_what_and_where() {
    let post = |members: &str| format!(r#"{{"text": "x", "createdAt": "2024-01-01T00:00:00Z", {members}}}"#);
    let blob = |members: &str| {
        let cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        format!(r#"{{"avatar": {{"$type": "blob", "ref": {{"$link": "{cid}"}}, {members}}}}}"#)
    };
    let like = r#"{"subject": {"uri": "not-a-uri", "cid": "x"}, "createdAt": "2024-01-01T00:00:00Z"}"#;
    let legacy = r#""embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": {"cid": "a",
        "mimeType": "b"}}]}"#;
    let feature = r#""facets": [{"index": {"byteStart": -1, "byteEnd": 0}, "features": []}]"#;
    let text = |text: &str| format!(r#"{{"text": "{text}"}}"#);
    let cases = [
        (
            POST,
            text(&"a".repeat(3001)),
            "string too big (maximum 3000, got 3001) at $.record.text",
        ),
        (
            POST,
            text(&"a".repeat(301)),
            "grapheme too big (maximum 300, got 301) at $.record.text",
        ),
        (
            POST,
            r#"{"text": "x", "createdAt": "yesterday"}"#.to_owned(),
            "Invalid datetime (got \"yesterday\") at $.record.createdAt",
        ),
        (
            "app.bsky.feed.like",
            like.to_owned(),
            "Invalid at-uri (got \"not-a-uri\") at $.record.subject.uri",
        ),
        (
            "app.bsky.feed.like",
            like.replace("not-a-uri", "at://a.test"),
            "Invalid CID string (got \"x\") at $.record.subject.cid",
        ),
        (
            POST,
            post(legacy),
            r#"Expected blob value type (got {"cid": ..., "mimeType": ...}) at $.record.embed.images[0].image"#,
        ),
        (
            POST,
            post(feature),
            "integer too small (minimum 0, got -1) at $.record.facets[0].index.byteStart",
        ),
        (
            POST,
            post(r#""langs": ["a"]"#),
            "Invalid language (got \"a\") at $.record.langs[0]",
        ),
        (
            POST,
            post(r#""langs": ["en", "de", "fr", "it"]"#),
            "array too big (maximum 3, got 4) at $.record.langs",
        ),
        (
            POST,
            post(r#""embed": {"images": []}"#),
            "Expected an object which includes the \"$type\" property value type (got {\"images\": ...}) at $.record.embed",
        ),
        (
            POST,
            post(r#""reply": {"$type": "a.b.c"}"#),
            "Expected \"app.bsky.feed.post#replyRef\" (got \"a.b.c\") at $.record.reply.$type",
        ),
        (
            "app.bsky.actor.profile",
            r#"{"displayName": 5}"#.to_owned(),
            "Expected string value type (got 5) at $.record.displayName",
        ),
        (
            "app.bsky.actor.profile",
            r#"{"displayName": null}"#.to_owned(),
            "Expected string value type (got null) at $.record.displayName",
        ),
        (
            "app.bsky.actor.profile",
            blob(r#""mimeType": "text/plain", "size": 1"#),
            r#"Expected one of "image/png" or "image/jpeg" (got "text/plain") at $.record.avatar.mimeType"#,
        ),
        (
            "app.bsky.actor.profile",
            blob(r#""mimeType": "image/png", "size": 1000001"#),
            "blob too big (maximum 1000000, got 1000001) at $.record.avatar",
        ),
        (
            "com.germnetwork.declaration",
            r#"{"version": "12345", "currentKey": "x"}"#.to_owned(),
            "Expected bytes value type (got \"x\") at $.record.currentKey",
        ),
    ];
    for (collection, record, message) in cases {
        assert_eq!(
            write(collection, &record),
            format!("Invalid {collection} record: {message}")
        );
    }
}

#[test]
fn open_unions_allow_other_types() {
    let record =
        r#"{"text": "", "createdAt": "2024-01-01T00:00:00Z", "embed": {"$type": "com.example.embed", "a": 1}}"#;
    assert_eq!(write(POST, record), "valid");
}

#[test]
fn paths_start_where_the_caller_says() {
    let (collection, rkey) = (POST.parse().unwrap(), "3jzfcijpj2z2a".parse().unwrap());
    let (record, index) = (record(r#"{"text": 5}"#), 3);
    let path = format_args!("$.writes[{index}].record");
    let error = Catalogue::bundled()
        .validate_record(&collection, &rkey, &record, path)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid app.bsky.feed.post record: Expected string value type (got 5) at $.writes[3].record.text"
    );
}
