//! What holds for any value and any bytes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use atproto_data::cbor::Decoder;
use atproto_data::value::MAX_INTEGER;
use atproto_data::{Cid, Codec, Value, cbor, json};
use ipld_core::ipld::Ipld;
use proptest::collection;
use proptest::prelude::*;

fn cid() -> impl Strategy<Value = Cid> {
    (any::<bool>(), any::<[u8; 32]>())
        .prop_map(|(raw, digest)| Cid::from_sha256(if raw { Codec::Raw } else { Codec::DagCbor }, digest))
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::Integer),
        (-300_i64..300).prop_map(Value::Integer),
        any::<String>().prop_map(Value::String),
        collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        cid().prop_map(Value::Link),
        (0..300_usize).prop_map(|len| Value::Array(vec![Value::Null; len])),
    ];
    scalar.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            collection::vec(("[a-c]{0,3}|\\PC{0,30}|[\\x00-\\x1f\"\\\\]{1,3}", inner), 0..8)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

/// Valid CBOR with a few bytes changed, which gets further into a decoder than random bytes do.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (
        value(),
        collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    )
        .prop_map(|(value, changes)| {
            let mut bytes = cbor::encode(&value);
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            bytes
        })
}

/// The same value for the encoder we compare with.
fn to_ipld(value: &Value) -> Ipld {
    match value {
        Value::Null => Ipld::Null,
        Value::Bool(truth) => Ipld::Bool(*truth),
        Value::Integer(number) => Ipld::Integer((*number).into()),
        Value::String(text) => Ipld::String(text.clone()),
        Value::Bytes(bytes) => Ipld::Bytes(bytes.clone()),
        Value::Link(cid) => Ipld::Link(cid.as_bytes().as_slice().try_into().unwrap()),
        Value::Array(items) => Ipld::List(items.iter().map(to_ipld).collect()),
        Value::Map(map) => Ipld::Map(
            map.iter()
                .map(|(key, value)| (key.to_owned(), to_ipld(value)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}

/// Everything that must agree about some bytes, whether they are DAG-CBOR or not.
fn check_bytes(bytes: &[u8]) {
    let decoded = cbor::decode(bytes);
    let mut transcoded = Vec::new();
    let written = json::write_cbor_as_json(bytes, &mut transcoded);
    let mut decoder = Decoder::new(bytes);
    let skipped = decoder.skip_value().and_then(|()| decoder.finish());
    assert_eq!(
        (written, skipped),
        (decoded.clone().map(drop), decoded.clone().map(drop))
    );
    if let Ok(value) = decoded {
        assert_eq!(cbor::encode(&value), bytes);
        assert_eq!(json::to_vec(&value), transcoded);
        assert_eq!(serde_ipld_dagcbor::from_slice::<Ipld>(bytes).unwrap(), to_ipld(&value));
    }
}

proptest! {
    #[test]
    fn cbor_round_trips(value in value()) {
        let bytes = cbor::encode(&value);
        prop_assert_eq!(cbor::decode(&bytes), Ok(value.clone()));
        check_bytes(&bytes);
    }

    #[test]
    fn encodes_like_another_implementation(value in value()) {
        prop_assert_eq!(cbor::encode(&value), serde_ipld_dagcbor::to_vec(&to_ipld(&value)).unwrap());
    }

    #[test]
    fn json_round_trips(value in value()) {
        let text = json::to_vec(&value);
        prop_assert_eq!(json::from_slice(&text), Ok(value.clone()));
        prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value.clone());
        prop_assert_eq!(serde_json::to_vec(&value).unwrap(), text);
    }

    #[test]
    fn random_bytes_decode_to_what_encodes_to_them(bytes in collection::vec(any::<u8>(), 0..64)) {
        check_bytes(&bytes);
    }

    #[test]
    fn damaged_cbor_decodes_to_what_encodes_to_it(bytes in damaged()) {
        check_bytes(&bytes);
    }

    #[test]
    fn any_text_is_read_as_json_or_refused(text in "[\\[\\]{}\",:0-9.eE+\\-\\$ a-z\\\\]{0,40}") {
        if let Ok(value) = json::from_slice(text.as_bytes()) {
            prop_assert_eq!(json::from_slice(&json::to_vec(&value)), Ok(value));
        }
    }

    #[test]
    fn cids_round_trip(cid in cid()) {
        prop_assert_eq!(cid.to_string().parse(), Ok(cid));
    }

    #[test]
    fn a_text_names_at_most_one_cid(text in "b[a-z2-7]{58}|bafkrei[a-z2-7]{52}") {
        if let Ok(cid) = text.parse::<Cid>() {
            prop_assert_eq!(cid.to_string(), text);
        }
    }
}
