//! The record validator: any JSON under any known collection is judged.
#![no_main]

use atproto_data::{Value, json};
use atproto_lexicon::Catalogue;
use libfuzzer_sys::fuzz_target;

/// The input is `{"rkey": …, "record": {"$type": …}}`.
fn judge(input: &[u8]) -> Option<()> {
    let input = json::from_slice(input).ok()?;
    let input = input.as_map()?;
    let rkey = input.get("rkey").and_then(Value::as_str)?.parse().ok()?;
    let record = input.get("record").and_then(Value::as_map)?;
    let collection = record.get("$type").and_then(Value::as_str)?.parse().ok()?;
    let judged = Catalogue::bundled().validate_record(&collection, &rkey, record, "$.record");
    // What is wrong is told in words.
    assert!(judged.err().is_none_or(|invalid| !invalid.to_string().is_empty()));
    Some(())
}

fuzz_target!(|input: &[u8]| {
    judge(input);
});
