#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::cbor;

fn error(json: &str) -> String {
    from_slice(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn reads_and_writes_every_type() {
    let json = r#"{"a":null,"b":true,"c":-5,"d":"x\"\\\n\u0001é","e":{"$bytes":"AQI"},"f":[{}]}"#;
    let value = from_slice(json.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), json);
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    assert_eq!(serde_json::from_str::<Value>(json).unwrap(), value);
    let mut out = b"<".to_vec();
    write_cbor_as_json(&cbor::encode(&value), &mut out).unwrap();
    assert_eq!(out, format!("<{json}").as_bytes());
}

#[test]
fn reads_whole_numbers_in_any_notation() {
    for (json, number) in [
        ("1.0", 1),
        ("-0.0", 0),
        ("-0", 0),
        ("1e3", 1000),
        ("9007199254740991", 9_007_199_254_740_991),
    ] {
        assert_eq!(from_slice(json.as_bytes()), Ok(Value::Integer(number)), "{json}");
    }
}

#[test]
fn names_what_is_wrong_and_where() {
    let cases = [
        (
            r#"{"record":{"a":1.5}}"#,
            "Expected one of null, boolean, integer, string, cid, bytes, array or object value type (got 1.5) at $.record.a",
        ),
        (
            r#"{"a":[0,{"x y":9007199254740992}]}"#,
            "Integers must be within ±9007199254740991 (got 9007199254740992) at $.a[1][\"x y\"]",
        ),
        (
            "-9007199254740992",
            "Integers must be within ±9007199254740991 (got -9007199254740992) at $",
        ),
        ("1e300", "Integers must be within ±9007199254740991 (got 1e300) at $"),
        (r#"{"a":{"x":1,"y":2,"x":1}}"#, "Duplicate key \"x\" at $.a"),
        (r#"{"a":[{"__proto__":{}}]}"#, "Invalid key: __proto__ at $.a[0]"),
        (r#"{"a":{"$link":"bafy"}}"#, "Invalid $link object at $.a"),
        (r#"{"a":{"$link":1}}"#, "Invalid $link object at $.a"),
        (r#"{"a":{"b":1,"$bytes":"AQI"}}"#, "Invalid $bytes object at $.a"),
        (r#"{"a":{"$bytes":"AQJ="}}"#, "Invalid $bytes object at $.a"),
        (r#"{"a":{"$bytes":"AQI=="}}"#, "Invalid $bytes object at $.a"),
        (r#"{"a":{"$bytes":"_w"}}"#, "Invalid $bytes object at $.a"),
        (r#"{"$type":"blob","size":1}"#, "Invalid blob object at $"),
        (
            r#"{"a":{"$type":""}}"#,
            "$type must be a string that is not empty at $.a",
        ),
        (
            r#"{"a":{"$type":null}}"#,
            "$type must be a string that is not empty at $.a",
        ),
    ];
    for (json, message) in cases {
        assert_eq!(
            from_slice(json.as_bytes()),
            Err(JsonError::Data(message.to_owned())),
            "{json}"
        );
    }
}

#[test]
fn tells_broken_json_from_broken_data() {
    for truncated in ["", " ", "{", "[1,", "\"a", "{\"a\":", "nul"] {
        assert_eq!(
            from_slice(truncated.as_bytes()),
            Err(JsonError::Syntax("Unexpected end of JSON input".to_owned()))
        );
    }
    for broken in ["{,}", "1 2", "'a'", "01", "\"\\ud800\"", "\"\u{1}\"", "nope"] {
        assert!(
            matches!(from_slice(broken.as_bytes()), Err(JsonError::Syntax(_))),
            "{broken}"
        );
    }
    assert!(matches!(from_slice(b"\"\xff\""), Err(JsonError::Syntax(_))));
}

#[test]
fn reads_bytes_with_and_without_padding() {
    for (json, bytes) in [
        (r#"{"$bytes":""}"#, &b""[..]),
        (r#"{"$bytes":"AQ=="}"#, &[1]),
        (r#"{"$bytes":"AQI"}"#, &[1, 2]),
    ] {
        assert_eq!(from_slice(json.as_bytes()), Ok(Value::Bytes(bytes.to_vec())), "{json}");
    }
}

#[test]
fn demands_the_exact_shape_of_a_blob() {
    let cid = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
    let blob = |mime_type: &str, size: &str, more: &str| {
        format!(r#"{{"$type":"blob","ref":{{"$link":"{cid}"}},"mimeType":{mime_type},"size":{size}{more}}}"#)
    };
    assert!(from_slice(blob("\"image/png\"", "0", "").as_bytes()).is_ok());
    for (mime_type, size, more) in [
        ("\"png\"", "1", ""),
        ("1", "1", ""),
        ("\"image/png\"", "-1", ""),
        ("\"image/png\"", "\"1\"", ""),
        ("\"image/png\"", "1", ",\"alt\":\"x\""),
    ] {
        assert_eq!(error(&blob(mime_type, size, more)), "Invalid blob object at $");
    }
    let record =
        blob("\"image/png\"", "1", "").replace(cid, "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq");
    assert_eq!(error(&record), "Invalid blob object at $");
}

#[test]
fn keeps_the_limits_of_depth_and_size() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(
        from_slice(nested(MAX_JSON_DEPTH).as_bytes()).unwrap().depth(),
        MAX_JSON_DEPTH
    );
    assert!(error(&nested(MAX_JSON_DEPTH + 1)).starts_with("Nested deeper than 40 levels at $[0][0]"));
    assert!(error(&"[".repeat(1_000_000)).starts_with("Nested deeper than 40 levels"));
    let keyed = |len: usize| format!("{{\"{}\":0}}", "k".repeat(len));
    assert!(from_slice(keyed(8192).as_bytes()).is_ok());
    assert_eq!(error(&keyed(8193)), "A key is longer than 8192 bytes at $");
    let array = |len: usize| format!("[{}0]", "0,".repeat(len - 1));
    assert!(from_slice(array(131_072).as_bytes()).is_ok());
    assert_eq!(error(&array(131_073)), "More than 131072 entries at $");
}

#[test]
fn shortens_long_keys_in_paths() {
    let json = format!("{{\"{}\":1.5}}", "é".repeat(1000));
    assert!(error(&json).ends_with(&format!("at $[\"{}…\"]", "é".repeat(32))));
}

#[test]
fn a_refused_block_leaves_no_json_behind() {
    let mut out = b"before".to_vec();
    assert_eq!(
        write_cbor_as_json(&[0x82, 0x61, b'a', 0xf7], &mut out),
        Err(cbor::CborError::Simple)
    );
    assert_eq!(
        write_cbor_as_json(&[0x80, 0x80], &mut out),
        Err(cbor::CborError::TrailingBytes)
    );
    assert_eq!(out, b"before");
}
