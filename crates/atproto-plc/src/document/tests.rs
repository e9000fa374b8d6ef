#![expect(clippy::unwrap_used, reason = "tests")]

use atproto_data::crypto::Curve;
use atproto_data::{Did, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::state::{ATPROTO_KEY, State};

const DID: &str = "did:plc:yk4dd2qkboz2yv6tpubpc6co";
const K256_KEY: &str = "did:key:zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF";

fn did() -> Did {
    DID.parse().unwrap()
}

fn read(json: &Value) -> DidDocument {
    DidDocument::from_value(&did(), json).unwrap()
}

/// A document with this one service.
fn with_service(id: &str, service_type: &str, endpoint: &str) -> DidDocument {
    read(&json!({"id": DID, "service": [{"id": id, "type": service_type, "serviceEndpoint": endpoint}]}))
}

#[test]
fn the_directorys_own_form() {
    let state = State::for_account(
        K256_KEY,
        &"dholms.xyz".parse().unwrap(),
        "https://bsky.social",
        Vec::new(),
    );
    let document = DidDocument::from_slice(&did(), render(&did(), &state).to_string().as_bytes()).unwrap();
    assert_eq!(document.signing_key(ATPROTO_KEY).unwrap().to_did_key(), K256_KEY);
    assert_eq!(document.pds_endpoint(), Some("https://bsky.social"));
    assert_eq!(document.handle(), Some("dholms.xyz".parse().unwrap()));
    assert_eq!(document.signing_key("other"), None);
}

#[test]
fn the_older_form() {
    // The generator of secp256k1: `04`, x, y, in the uncompressed encoding of the older suites.
    let point = data_encoding::HEXLOWER
        .decode(
            b"0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
            483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
        )
        .unwrap();
    let document = read(&json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/secp256k1-2019/v1"],
        "id": DID,
        "alsoKnownAs": ["at://alice.test"],
        "verificationMethod": [{
            "id": "#atproto",
            "type": "EcdsaSecp256k1VerificationKey2019",
            "controller": DID,
            "publicKeyMultibase": format!("z{}", bs58::encode(&point).into_string()),
        }],
        "service": [
            {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "http://localhost:2583"},
        ],
    }));
    let key = document.signing_key(ATPROTO_KEY).unwrap();
    let mut one = [0; 32];
    one[31] = 1;
    assert_eq!(key, SigningKey::from_bytes(Curve::K256, &one).unwrap().public_key());
    assert_eq!(document.pds_endpoint(), Some("http://localhost:2583"));
}

#[test]
fn entries_of_other_shapes_are_passed_over() {
    let document = read(&json!({
        "id": DID,
        "alsoKnownAs": [1, "https://a.test", "at://not a handle", "at://b.test", "a".repeat(MAX_STRING_BYTES + 1)],
        "verificationMethod": [
            {"id": "#atproto", "type": "JsonWebKey2020", "publicKeyJwk": {}},
            {"id": "did:web:evil.test#atproto", "type": "Multikey", "publicKeyMultibase": "zEvil"},
            {"id": format!("{DID}#atproto"), "type": "Multikey", "publicKeyMultibase": &K256_KEY[8..]},
            "text",
        ],
        "service": [{"id": "#a", "type": "T", "serviceEndpoint": {"uri": "https://a.test"}}, null],
        "authentication": [{}],
    }));
    assert_eq!(document.handle(), Some("b.test".parse().unwrap()));
    assert_eq!(document.verification_methods.len(), 1);
    assert!(document.signing_key(ATPROTO_KEY).is_some());
    assert!(document.services.is_empty());
    let bare = read(&json!({"id": DID, "service": null}));
    assert_eq!(
        (bare.handle(), bare.pds_endpoint(), bare.signing_key(ATPROTO_KEY)),
        (None, None, None)
    );
}

#[test]
fn services() {
    let pds = "AtprotoPersonalDataServer";
    let url = "https://pds.test";
    assert_eq!(with_service("#atproto_pds", pds, url).pds_endpoint(), Some(url));
    assert_eq!(
        with_service(&format!("{DID}#atproto_pds"), pds, url).pds_endpoint(),
        Some(url)
    );
    assert_eq!(with_service("#atproto_pds", "Other", url).pds_endpoint(), None);
    assert_eq!(with_service("atproto_pds", pds, url).pds_endpoint(), None);
    let labeler = with_service("#atproto_labeler", "AtprotoLabeler", url);
    assert_eq!(labeler.service("atproto_labeler").unwrap().url(), Some(url));
}

#[test]
fn endpoints() {
    for url in [
        "http://localhost:2583",
        "https://a.test",
        "https://a.test/path?x#y",
        "https://[::1]:80",
    ] {
        assert_eq!(with_service("#x", "T", url).service("x").unwrap().url(), Some(url));
    }
    for url in [
        "",
        "a.test",
        "ftp://a.test",
        "https://",
        "https:///a",
        "https://:80",
        "https://u@a.test",
        "https://a\n.test",
    ] {
        assert_eq!(with_service("#x", "T", url).service("x").unwrap().url(), None, "{url}");
    }
}

#[test]
fn refusals() {
    let refused = |json: Value| DidDocument::from_value(&did(), &json).unwrap_err();
    assert!(matches!(refused(json!([])), DidDocumentError::NotAnObject));
    assert!(matches!(refused(json!({})), DidDocumentError::OtherId(_)));
    assert!(matches!(
        refused(json!({"id": "did:web:a.test"})),
        DidDocumentError::OtherId(_)
    ));
    let not_a_list = refused(json!({"id": DID, "alsoKnownAs": "at://a.test"}));
    assert!(matches!(not_a_list, DidDocumentError::NotAList("alsoKnownAs")));
    for (field, limit) in [
        ("alsoKnownAs", MAX_ALSO_KNOWN_AS),
        ("verificationMethod", MAX_VERIFICATION_METHODS),
        ("service", MAX_SERVICES),
    ] {
        let mut json = json!({"id": DID});
        json[field] = vec![Value::Null; limit].into();
        assert!(DidDocument::from_value(&did(), &json).is_ok());
        json[field] = vec![Value::Null; limit + 1].into();
        assert!(matches!(refused(json), DidDocumentError::TooMany { .. }), "{field}");
    }
    let long = format!("{}{}", json!({"id": DID}), " ".repeat(MAX_DOCUMENT_BYTES));
    assert!(matches!(
        DidDocument::from_slice(&did(), long.as_bytes()),
        Err(DidDocumentError::TooLarge)
    ));
    assert!(matches!(
        DidDocument::from_slice(&did(), b"{"),
        Err(DidDocumentError::Syntax(_))
    ));
}
