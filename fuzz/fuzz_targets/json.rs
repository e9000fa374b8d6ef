//! JSON of the data model: what is read can be written and read again.
#![no_main]

use atproto_data::{cbor, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = json::from_slice(bytes) {
        assert_eq!(json::from_slice(&json::to_vec(&value)).as_ref(), Ok(&value));
        assert_eq!(cbor::decode(&cbor::encode(&value)), Ok(value));
    }
});
