//! What the bundled schemas do not use of the language: constants, enumerations, tokens, closed unions, any map. The
//! messages were taken from the reference implementation.

#![expect(clippy::unwrap_used, reason = "tests")]

use atproto_data::json;
use atproto_lexicon::{Catalogue, Document, LexiconError};

/// A catalogue of one collection, `com.example.record`, whose records have one property, `a`.
fn catalogue(property: &str) -> Result<Catalogue, LexiconError> {
    let document = format!(
        r##"{{"lexicon": 1, "id": "com.example.record", "defs": {{
            "main": {{"type": "record", "key": "literal:it", "record":
                {{"type": "object", "nullable": ["a"], "properties": {{"a": {property}}}}}}},
            "token": {{"type": "token"}},
            "short": {{"type": "string", "maxLength": 1}},
            "node": {{"type": "object", "properties": {{"next": {{"type": "ref", "ref": "#node"}}}}}}
        }}}}"##
    );
    Catalogue::from_documents(&[Document::from_json(document.as_bytes())?])
}

/// `valid`, or what is wrong with a record whose `a` is this value.
fn check(property: &str, value: &str) -> String {
    let record = format!(r#"{{"$type": "com.example.record", "a": {value}}}"#);
    let record = json::from_slice(record.as_bytes()).unwrap();
    let (collection, rkey) = ("com.example.record".parse().unwrap(), "it".parse().unwrap());
    let catalogue = catalogue(property).unwrap();
    match catalogue.validate_record(&collection, &rkey, record.as_map().unwrap(), "$") {
        Ok(validity) => validity.as_str().to_owned(),
        Err(error) => error.to_string().replace("Invalid com.example.record record: ", ""),
    }
}

#[test]
fn values_of_every_type() {
    const CLOSED: &str = r##"{"type": "union", "refs": ["#node", "#token"], "closed": true}"##;
    let cases = [
        (r#"{"type": "boolean", "const": true}"#, "true", "valid"),
        (
            r#"{"type": "boolean", "const": true}"#,
            "false",
            "Expected true (got false) at $.a",
        ),
        (
            r#"{"type": "integer", "enum": [4, 9, 16]}"#,
            "7",
            "Expected one of 4, 9 or 16 (got 7) at $.a",
        ),
        (r#"{"type": "integer", "enum": [4, 9]}"#, "9", "valid"),
        (
            r#"{"type": "integer", "enum": [4, 9], "const": 5}"#,
            "5",
            "Expected never value type (got 5) at $.a",
        ),
        (
            r#"{"type": "string", "enum": ["x"]}"#,
            "5",
            "Expected \"x\" (got 5) at $.a",
        ),
        (r#"{"type": "string", "knownValues": ["x"]}"#, "\"y\"", "valid"),
        (
            r#"{"type": "bytes", "minLength": 4}"#,
            r#"{"$bytes": "AQID"}"#,
            "bytes too small (minimum 4, got 3) at $.a",
        ),
        (
            r#"{"type": "cid-link"}"#,
            "\"x\"",
            "Expected cid value type (got \"x\") at $.a",
        ),
        (
            r#"{"type": "array", "items": {"type": "integer"}, "minLength": 1}"#,
            "[]",
            "array too small (minimum 1, got 0) at $.a",
        ),
        (r#"{"type": "unknown"}"#, r#"{"$type": "x"}"#, "valid"),
        (
            r#"{"type": "unknown"}"#,
            "[1, 2, 3]",
            "Expected object value type (got [1, 2, ...]) at $.a",
        ),
        (
            r##"{"type": "ref", "ref": "#token"}"##,
            "\"com.example.record#token\"",
            "valid",
        ),
        (
            r##"{"type": "ref", "ref": "#token"}"##,
            "\"x\"",
            "Expected \"com.example.record#token\" (got \"x\") at $.a",
        ),
        (
            r##"{"type": "ref", "ref": "#token"}"##,
            "5",
            "Expected token value type (got 5) at $.a",
        ),
        (
            r#"{"type": "ref", "ref": "com.example.record#short"}"#,
            "\"xy\"",
            "string too big (maximum 1, got 2) at $.a",
        ),
        (
            r##"{"type": "ref", "ref": "#node"}"##,
            r#"{"next": {"next": 5}}"#,
            "Expected object value type (got 5) at $.a.next.next",
        ),
        (CLOSED, r#"{"$type": "com.example.record#node"}"#, "valid"),
        (
            CLOSED,
            r#"{"$type": "com.example.record#other"}"#,
            r#"Expected "com.example.record#node" (got "com.example.record#other") at $.a.$type"#,
        ),
        (
            r#"{"type": "union", "refs": [], "closed": true}"#,
            "{}",
            "Expected never value type (got {}) at $.a",
        ),
        (
            r#"{"type": "object", "properties": {"x-y": {"type": "boolean"}}}"#,
            r#"{"x-y": 1}"#,
            "Expected boolean value type (got 1) at $.a[\"x-y\"]",
        ),
        (r#"{"type": "boolean"}"#, "null", "valid"),
    ];
    for (property, value, expected) in cases {
        assert_eq!(check(property, value), expected, "{property} {value}");
    }
}

#[test]
fn a_link_is_no_string() {
    let cid = "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq";
    let link = format!(r#"{{"$link": "{cid}"}}"#);
    assert_eq!(
        check(r#"{"type": "string"}"#, &link),
        format!("Expected \"{cid}\" (got cid) at $.a")
    );
    assert_eq!(
        check(r#"{"type": "string", "maxLength": 9}"#, &link),
        "string too big (maximum 9, got 59) at $.a"
    );
}

#[test]
fn documents_that_break_the_rules_are_refused() {
    let cases = [
        (
            r#"{"type": "record", "key": "any", "record": {"type": "object", "properties": {}}}"#,
            "record is not allowed at a",
        ),
        (r#"{"type": "token"}"#, "token is not allowed at a"),
        (
            r#"{"type": "array", "items": {"type": "query"}}"#,
            "query is not allowed at a",
        ),
        (
            r#"{"type": "object", "properties": {}, "required": ["x"]}"#,
            "a names the property \"x\" that is not defined",
        ),
        (
            r#"{"type": "union", "refs": ["a.b.c"]}"#,
            "a.b.c is referred to but not defined",
        ),
    ];
    for (property, expected) in cases {
        assert_eq!(catalogue(property).unwrap_err().to_string(), expected, "{property}");
    }
    for property in [
        r#"{"type": "other"}"#,
        r#"{"type": "string", "format": "other"}"#,
        r#"{"type": "string", "maxLength": -1}"#,
        r#"{"type": "object", "properties": {"": {"type": "boolean"}}}"#,
        r#"{"type": "boolean"}, "a": {"type": "boolean"}"#,
    ] {
        assert!(
            matches!(catalogue(property), Err(LexiconError::Malformed(_))),
            "{property}"
        );
    }
    for key in ["other", "literal:", "literal:a b"] {
        let document = format!(
            r#"{{"lexicon": 1, "id": "a.b.c", "defs": {{"main": {{"type": "record", "key": "{key}",
                "record": {{"type": "object", "properties": {{}}}}}}}}}}"#
        );
        assert!(
            matches!(
                Document::from_json(document.as_bytes()),
                Err(LexiconError::Malformed(_))
            ),
            "{key}"
        );
    }
    let long = " ".repeat(atproto_lexicon::MAX_DOCUMENT_BYTES + 1);
    assert_eq!(Document::from_json(long.as_bytes()).unwrap_err(), LexiconError::TooLong);
}
