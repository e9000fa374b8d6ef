//! The record validator: any JSON under any known collection is judged.
#![no_main]

use atproto_data::json;
use atproto_lexicon::Catalogue;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, &[u8])| {
    let (collection, rkey, record) = input;
    let catalogue = Catalogue::bundled();
    let known = catalogue.collections().count();
    let Some(collection) = catalogue.collections().nth(usize::from(collection) % known) else {
        return;
    };
    let Ok(rkey) = rkey.parse() else { return };
    let Ok(value) = json::from_slice(record) else { return };
    if let Some(record) = value.as_map() {
        let _ = catalogue.validate_record(collection, &rkey, record, "$.record");
    }
});
