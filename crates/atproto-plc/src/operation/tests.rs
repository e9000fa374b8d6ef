#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

/// The oldest DID's genesis operation.
fn legacy() -> serde_json::Value {
    json!({
        "sig": "7QTzqO1BcL3eDzP4P_YBxMmv5U4brHzAItkM9w5o8gZA7ElZkrVYEwsfQCfk5EoWLk58Z1y6fyNP9x1pthJnlw",
        "prev": null,
        "type": "create",
        "handle": "dan.bsky.social",
        "service": "https://bsky.social",
        "signingKey": "did:key:zQ3shP5TBe1sQfSttXty15FAEHV1DZgcxRZNxvEWnPfLFwLxJ",
        "recoveryKey": "did:key:zQ3shhCGUqDKjStzuDxPkTxN6ujddP4RkEKJJouJGRRkaLGbg",
    })
}

#[test]
fn legacy_genesis() {
    let operation: Operation = serde_json::from_value(legacy()).unwrap();
    assert_eq!(operation.to_json(), legacy());
    assert_eq!(operation.did_of_genesis().as_str(), "did:plc:yk4dd2qkboz2yv6tpubpc6co");
    assert_eq!(
        operation.cid().to_string(),
        "bafyreigcxay6ucqlwowfpu35alyxqtv3c4vsj7gmdtmnidsnqs6nblyarq"
    );
    let state = operation.state().unwrap();
    assert_eq!(operation.signer(&state.rotation_keys), Some(1));
    assert_eq!(state.also_known_as, ["at://dan.bsky.social"]);
    assert_eq!(state.pds_endpoint(), Some("https://bsky.social"));
    assert_eq!(state.signing_key(), Some(state.rotation_keys[1].as_str()));
}

#[test]
fn legacy_names_get_their_prefixes() {
    for (handle, service, name, endpoint) in [
        ("a.test", "pds.test", "at://a.test", "https://pds.test"),
        ("at://a.test", "http://pds.test", "at://a.test", "http://pds.test"),
        ("https://a.test", "https://pds.test", "at://a.test", "https://pds.test"),
    ] {
        let create = LegacyCreate {
            signing_key: String::new(),
            recovery_key: String::new(),
            handle: handle.to_owned(),
            service: service.to_owned(),
        };
        let state = UnsignedOperation::Create(create).state().unwrap();
        assert_eq!(state.also_known_as, [name]);
        assert_eq!(state.pds_endpoint(), Some(endpoint));
    }
}

#[test]
fn json_is_strict() {
    let with = |field: &str, value: serde_json::Value| {
        let mut json = legacy();
        json[field] = value;
        serde_json::from_value::<Operation>(json)
    };
    assert!(with("prev", json!(null)).is_ok());
    assert!(with("extra", json!(null)).is_err());
    assert!(with("type", json!("update")).is_err());
    assert!(with("prev", json!({})).is_err());
    assert!(
        with(
            "prev",
            json!("bafyreigcxay6ucqlwowfpu35alyxqtv3c4vsj7gmdtmnidsnqs6nblyarq")
        )
        .is_err()
    );
    assert!(with("handle", json!(1)).is_err());
    assert!(with("sig", json!("")).is_err());
    for field in ["sig", "prev", "type", "handle"] {
        let mut json = legacy();
        json.as_object_mut().unwrap().remove(field);
        assert!(serde_json::from_value::<Operation>(json).is_err(), "{field}");
    }
    let long = format!("{}{}", legacy(), " ".repeat(MAX_OPERATION_JSON_BYTES));
    assert!(matches!(
        Operation::from_json(long.as_bytes()),
        Err(OperationJsonError::TooLarge)
    ));
    let service = json!({"type": "plc_operation", "rotationKeys": [], "verificationMethods": {}, "alsoKnownAs": [],
        "services": {"a": {"type": "", "endpoint": "", "extra": 1}}, "prev": null, "sig": legacy()["sig"]});
    assert!(
        serde_json::from_value::<Operation>(service)
            .unwrap_err()
            .to_string()
            .contains("extra")
    );
}

#[test]
fn a_tombstone_signs_three_fields() {
    let prev: Cid = "bafyreigcxay6ucqlwowfpu35alyxqtv3c4vsj7gmdtmnidsnqs6nblyarq"
        .parse()
        .unwrap();
    let cbor = UnsignedOperation::tombstone(prev).to_cbor();
    let expected = json!({"type": "plc_tombstone", "prev": prev.to_string()});
    assert_eq!(serde_json::to_value(cbor::decode(&cbor).unwrap()).unwrap(), expected);
}
