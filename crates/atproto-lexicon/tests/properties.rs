//! What holds for any record.

#![expect(clippy::unwrap_used, reason = "tests")]

mod examples;

use atproto_data::{Cid, Map, Value};
use atproto_lexicon::{Catalogue, RecordInvalid, Validity};
use examples::Example;
use proptest::collection;
use proptest::prelude::*;
use proptest::sample::Index;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        any::<String>().prop_map(Value::String),
        "[a-z:/.#%+-]{0,20}".prop_map(Value::String),
        collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        any::<[u8; 3]>().prop_map(|bytes| Value::Link(Cid::of_raw(&bytes))),
    ];
    scalar.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            collection::vec(("\\$type|[a-z]{1,5}|\\PC{0,5}", inner), 0..4)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

fn example() -> impl Strategy<Value = Example> {
    any::<Index>().prop_map(|index| index.get(&examples::all()).clone())
}

/// A valid record in which one value, at any depth, is another.
fn mutated() -> impl Strategy<Value = Example> {
    (example(), collection::vec(any::<Index>(), 1..6), value()).prop_map(|(mut example, way, new)| {
        let mut record = Value::Map(std::mem::take(&mut example.record));
        // The record itself stays a map.
        let (first, deeper) = way.split_first().unwrap();
        replace(child(&mut record, *first).unwrap(), deeper, new);
        example.record = record.as_map().unwrap().clone();
        example
    })
}

fn replace(value: &mut Value, way: &[Index], new: Value) {
    match way.split_first() {
        Some((index, deeper)) if child(value, *index).is_some() => {
            replace(child(value, *index).unwrap(), deeper, new);
        }
        _ => *value = new,
    }
}

fn child(value: &mut Value, index: Index) -> Option<&mut Value> {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let index = index.index(items.len());
            items.get_mut(index)
        }
        Value::Map(map) if !map.is_empty() => {
            let key = map.iter().nth(index.index(map.len())).map(|(key, _)| key.to_owned());
            map.get_mut(&key?)
        }
        _ => None,
    }
}

fn validate(
    Example {
        collection,
        rkey,
        record,
    }: &Example,
) -> Result<Validity, RecordInvalid> {
    Catalogue::bundled().validate_record(collection, rkey, record, "$.record")
}

proptest! {
    #[test]
    fn mutated_records_are_judged(example in mutated()) {
        if let Err(error) = validate(&example) {
            let (start, message) = (format!("Invalid {} record: ", example.collection), error.to_string());
            prop_assert!(message.starts_with(&start) && message.contains(" at $.record"), "{message}");
        }
    }

    #[test]
    fn any_map_is_judged(example in example(), members in collection::vec(("[a-z]{1,9}", value()), 0..6)) {
        let record: Map = members.into_iter().collect();
        prop_assert_ne!(validate(&Example { record, ..example }), Ok(Validity::Unknown));
    }

    #[test]
    fn properties_of_no_schema_are_allowed(mut example in example(), value in value()) {
        example.record.insert("x-unknown".to_owned(), value);
        prop_assert_eq!(validate(&example), Ok(Validity::Valid));
    }
}
