#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;
use std::str::FromStr;

use super::*;

fn check<T: FromStr<Err = SyntaxError> + Debug>(valid: &[&str], invalid: &[&str]) {
    for text in valid {
        assert!(text.parse::<T>().is_ok(), "{text}");
    }
    for text in invalid {
        assert!(text.parse::<T>().is_err(), "{text}");
    }
}

#[test]
fn did() {
    check::<Did>(
        &["did:plc:abc", "did:web:localhost%3A80"],
        &["did:plc:", "did:PLC:a", "did:plc:a:", "plc:a", "did:plc:a/b"],
    );
    let did: Did = "did:web:example.com".parse().unwrap();
    assert_eq!(
        (did.method(), did.as_str(), format!("{did:?}").as_str()),
        ("web", "did:web:example.com", "Did(did:web:example.com)")
    );
    let at_most = format!("did:plc:{}", "a".repeat(MAX_DID_BYTES - 8));
    check::<Did>(&[&at_most], &[&format!("{at_most}a")]);
}

#[test]
fn handle() {
    check::<Handle>(
        &["a.co", "A.Example.COM", "1.b"],
        &["a", "a.", ".a", "a..b", "-a.b", "a_b.c", "a.1", "127.0.0.1", "é.com"],
    );
    assert_eq!("Alice.TEST".parse::<Handle>().unwrap().as_str(), "alice.test");
    assert_eq!(
        serde_json::from_str::<Handle>("\"Alice.TEST\"").unwrap().as_str(),
        "alice.test"
    );
}

#[test]
fn nsid() {
    check::<Nsid>(
        &["app.bsky.feed.post", "a.b.c", "a.b1.fooBar2"],
        &["a.b", "a.b.2c", "1a.b.c", "a.b.c-d", "a..b", "a.b.", "a-.b.c"],
    );
    let nsid: Nsid = "APP.bsky.feed.fooBar".parse().unwrap();
    assert_eq!((nsid.authority().as_str(), nsid.name()), ("feed.bsky.app", "fooBar"));
}

#[test]
fn record_key() {
    check::<RecordKey>(
        &["self", "a:b.c_d~e-f", "..."],
        &["", ".", "..", "a/b", "a b", "#a", "é"],
    );
    check::<RecordKey>(
        &[&"o".repeat(MAX_RECORD_KEY_BYTES)],
        &[&"o".repeat(MAX_RECORD_KEY_BYTES + 1)],
    );
}

#[test]
fn tid() {
    check::<Tid>(
        &["2222222222222", "3jzfcijpj2z2a", "jzzzzzzzzzzzz"],
        &["k222222222222", "3jzfcijpj2z2", "3jzfcijpj2z21", "3JZFCIJPJ2Z2A"],
    );
    let tid = Tid::from_parts(1_700_000_000_000_000, 1023);
    assert_eq!((tid.micros(), tid.clock_id()), (1_700_000_000_000_000, 1023));
    for tid in [tid, Tid::from_u64(0), Tid::from_u64(u64::MAX)] {
        assert_eq!(tid.to_string().parse(), Ok(tid));
        assert_eq!(Tid::from_u64(tid.as_u64()), tid);
        assert_eq!(
            serde_json::from_str::<Tid>(&serde_json::to_string(&tid).unwrap()).unwrap(),
            tid
        );
    }
    assert_eq!(Tid::from_u64(u64::MAX).to_string(), "jzzzzzzzzzzzz");
    // What does not fit is cut off rather than spilt into the other part.
    assert_eq!(Tid::from_parts(u64::MAX, u16::MAX).as_u64(), u64::MAX >> 1);
    let earlier = Tid::from_parts(1_699_999_999_999_999, 5);
    assert!(earlier < tid && earlier.to_string() < tid.to_string());
    assert_eq!(RecordKey::from(tid).as_str(), tid.to_string());
}

#[test]
fn at_identifier() {
    check::<AtIdentifier>(&["did:plc:abc", "a.test"], &["", "did:plc", "a", "@a.test"]);
    assert!(matches!("A.test".parse(), Ok(AtIdentifier::Handle(handle)) if handle.as_str() == "a.test"));
    assert!(matches!("did:plc:abc".parse(), Ok(AtIdentifier::Did(did)) if did.as_str() == "did:plc:abc"));
}

#[test]
fn at_uri() {
    let uri: AtUri = "at://Alice.test/a.b.c/self".parse().unwrap();
    assert_eq!(uri.as_str(), "at://alice.test/a.b.c/self");
    assert_eq!(uri.authority().as_str(), "alice.test");
    assert_eq!(uri.collection().map(Nsid::as_str), Some("a.b.c"));
    assert_eq!(uri.rkey().map(RecordKey::as_str), Some("self"));
    let built = AtUri::of_record(
        uri.authority().clone(),
        "a.b.c".parse().unwrap(),
        "self".parse().unwrap(),
    );
    assert_eq!(built, uri);
    let repo: AtUri = "at://did:plc:abc".parse().unwrap();
    assert_eq!((repo.collection(), repo.rkey()), (None, None));
    check::<AtUri>(
        &["at://did:plc:abc/a.b.c"],
        &[
            "at://",
            "at://did:plc:abc/",
            "at://did:plc:abc/a.b.c/",
            "at://did:plc:abc/a.b.c/d/e",
            "at://did:plc:abc#a",
            "did:plc:abc",
        ],
    );
}

#[test]
fn datetime() {
    check::<Datetime>(
        &[
            "1985-04-12T23:20:50.123Z",
            "2000-02-29T00:00:00Z",
            "2024-12-31T23:59:59.999999+14:00",
            "0000-01-01T01:00:00+01:00",
        ],
        &[
            "",
            "1985-04-12",
            "1985-04-12T23:20:50",
            "1985-04-12T23:20:50.Z",
            "1985-04-12T23:20:50-00:00",
            "1985-04-12T23:20:50+24:00",
            "1985-04-12T23:20:50+1:00",
            "1985-04-12T23:20:50ZZ",
            "1900-02-29T00:00:00Z",
            "1985-04-31T00:00:00Z",
            "1985-13-01T00:00:00Z",
            "1985-04-12T24:00:00Z",
            "0000-01-01T00:59:00+01:00",
            "é985-04-12T23:20:50Z",
        ],
    );
}

#[test]
fn language() {
    check::<Language>(
        &[
            "ja",
            "pt-BR",
            "zh-Hant",
            "es-419",
            "i-navajo",
            "sgn-BE-NL",
            "x-a",
            "en-a-foo-b-bar-x-a",
            "zh-cmn-Hans-CN",
        ],
        &[
            "",
            "j",
            "JA",
            "jaja",
            "ja-",
            "-ja",
            "ja--JP",
            "en-a",
            "en-x",
            "x",
            "en-a-foo-A-bar",
            "de-1901-1901",
            "en-toolongtag",
            "i-other",
            "é",
        ],
    );
}

#[test]
fn uri() {
    check::<Uri>(
        &["https://example.com/ä?b#c", "dns:a", "at://a.b/c"],
        &["", "a", "http:", ":a", "1a:b", "https://a b", "a:\n", "a_b:c"],
    );
    check::<Uri>(
        &[&format!("a:{}", "b".repeat(MAX_URI_BYTES - 2))],
        &[&format!("a:{}", "b".repeat(MAX_URI_BYTES - 1))],
    );
}

#[test]
fn cid_string() {
    check::<CidString>(
        &[
            "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            "mBcDxtdWx0aWhhc2g+",
        ],
        &["", "bafy", "a.b.c.d.e", &"b".repeat(257)],
    );
}

#[test]
fn errors_name_the_format() {
    let error = "nope".parse::<Nsid>().unwrap_err();
    assert_eq!(
        (error.format(), error.to_string().as_str()),
        ("NSID", "invalid NSID: needs at least three segments")
    );
    let error = serde_json::from_str::<Did>("\"nope\"").unwrap_err().to_string();
    assert!(error.starts_with("invalid DID: must start with"), "{error}");
}
