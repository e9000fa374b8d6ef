#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;

use atproto_data::{AtIdentifier, Nsid, RecordKey};

use super::*;

fn input(json: &str) -> Input {
    Input::parse(json.as_bytes()).unwrap()
}

fn refusal<T: Debug>(result: Result<T, XrpcError>) -> String {
    let error = result.unwrap_err();
    format!("{} {}", error.error, error.message)
        .trim_start_matches("InvalidRequest ")
        .to_owned()
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    let parse = |bytes: &[u8]| refusal(Input::parse(bytes));
    assert_eq!(parse(b"[1]"), "Expected object value type (got [1]) at $");
    assert_eq!(parse(b"\"x\""), "Expected object value type (got \"x\") at $");
    assert_eq!(parse(b"null"), "Expected object value type (got null) at $");
    assert_eq!(parse(b"{\"useCount\":"), "SyntaxError Unexpected end of JSON input");
    assert_eq!(parse(b""), "SyntaxError Unexpected end of JSON input");
    assert!(parse(b"{a}").starts_with("SyntaxError Malformed JSON: "));
    for bytes in [b"\xEF\xBB\xBF{}".as_slice(), b"{\"a\":\"\xFF\"}", b"\xFE\xFF\0{\0}"] {
        assert_eq!(parse(bytes), "The body must be JSON in UTF-8 without a byte order mark");
    }
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "1");
    assert!(Input::parse(deep.as_bytes()).is_err());
    assert!(Input::parse(br#"{"repo":"a","repo":"b"}"#).is_err());
}

#[test]
fn half_a_character_is_the_replacement_character() {
    let read = |json| input(json).required_str("a").unwrap().to_owned();
    assert_eq!(read(r#"{"a": "cut \ud83d"}"#), "cut \u{fffd}");
    assert_eq!(read(r#"{"a": "\ud83d\ude00 \\ud83d"}"#), "\u{1f600} \\ud83d");
    let refused = refusal(Input::parse(br#"{"a": "\ud83d"#));
    assert_eq!(refused, "SyntaxError Unexpected end of JSON input");
}

#[test]
fn texts_are_strings() {
    let input = input(r#"{"password": 5, "identifier": null, "handle": "a.test"}"#);
    assert_eq!(input.required_str("handle").unwrap(), "a.test");
    assert_eq!(input.optional_str("email").unwrap(), None);
    assert_eq!(
        refusal(input.required_str("repo")),
        "Missing required key \"repo\" at $"
    );
    assert_eq!(
        refusal(input.required_str("password")),
        "Expected string value type (got 5) at $.password"
    );
    assert_eq!(
        refusal(input.optional_str("identifier")),
        "Expected string value type (got null) at $.identifier"
    );
    assert_eq!(input.get("identifier"), Some(&Value::Null));
}

#[test]
fn formats_are_parsed() {
    let input = input(&format!(
        r#"{{"repo": "nope nope", "collection": "x", "rkey": "{}"}}"#,
        "a".repeat(513)
    ));
    assert_eq!(
        refusal(input.required::<AtIdentifier>("repo")),
        "Invalid AT identifier (got \"nope nope\") at $.repo"
    );
    assert_eq!(
        refusal(input.required::<Nsid>("collection")),
        "Invalid NSID (got \"x\") at $.collection"
    );
    assert_eq!(
        refusal(input.optional::<RecordKey>("rkey")),
        "string too big (maximum 512, got 513) at $.rkey"
    );
    assert_eq!(
        refusal(input.required::<Nsid>("lxm")),
        "Missing required key \"lxm\" at $"
    );
}

#[test]
fn integers_and_flags_have_their_types() {
    let input = input(r#"{"useCount": "1", "n": 5, "on": true, "off": 1}"#);
    let message = "Expected integer value type (got \"1\") at $.useCount";
    assert_eq!(refusal(input.required_integer("useCount", 1..=10)), message);
    assert_eq!(input.required_integer("n", 1..=10).unwrap(), 5);
    assert_eq!(
        refusal(input.required_integer("n", 6..=10)),
        "integer too small (minimum 6, got 5) at $.n"
    );
    assert_eq!(
        refusal(input.required_integer("n", 1..=4)),
        "integer too big (maximum 4, got 5) at $.n"
    );
    assert!(input.flag("on").unwrap());
    assert!(!input.flag("none").unwrap());
    assert_eq!(
        refusal(input.flag("off")),
        "Expected boolean value type (got 1) at $.off"
    );
}

#[test]
fn nested_objects_know_their_place() {
    let mut input = input(r#"{"writes": [{"collection": "a.b.c"}, {"rkey": 1}], "record": "str", "odd key": {}}"#);
    let writes = input.take_required_objects("writes").unwrap();
    assert_eq!(writes[0].required::<Nsid>("collection").unwrap().as_str(), "a.b.c");
    let message = "Missing required key \"collection\" at $.writes[1]";
    assert_eq!(refusal(writes[1].required::<Nsid>("collection")), message);
    assert_eq!(
        refusal(writes[1].required_str("rkey")),
        "Expected string value type (got 1) at $.writes[1].rkey"
    );
    let message = "Expected object value type (got \"str\") at $.record";
    assert_eq!(refusal(input.take_required_object("record")), message);
    assert_eq!(input.take_required_object("odd key").unwrap().path(), "$[\"odd key\"]");
    assert_eq!(
        refusal(input.take_required_object("writes")),
        "Missing required key \"writes\" at $"
    );
}

#[test]
fn arrays_of_strings_are_checked_one_by_one() {
    let input = input(r#"{"codes": ["a.b.c", "x"], "mixed": ["a", 1], "none": 1}"#);
    assert_eq!(
        refusal(input.required_all::<Nsid>("codes")),
        "Invalid NSID (got \"x\") at $.codes[1]"
    );
    assert_eq!(
        refusal(input.optional_strs("mixed")),
        "Expected string value type (got 1) at $.mixed[1]"
    );
    assert_eq!(
        refusal(input.optional_strs("none")),
        "Expected array value type (got 1) at $.none"
    );
    assert_eq!(input.optional_strs("codes").unwrap(), Some(vec!["a.b.c", "x"]));
}
