//! DAG-CBOR: whatever decodes is canonical, and the three ways to read it agree.
#![no_main]

use atproto_data::cbor::{self, Decoder};
use atproto_data::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let decoded = cbor::decode(bytes);
    let mut transcoded = Vec::new();
    let written = json::write_cbor_as_json(bytes, &mut transcoded);
    let mut decoder = Decoder::new(bytes);
    let skipped = decoder.skip_value().and_then(|()| decoder.finish());
    assert_eq!(decoded.is_ok(), written.is_ok());
    assert_eq!(decoded.is_ok(), skipped.is_ok());
    if let Ok(value) = decoded {
        assert_eq!(cbor::encode(&value), bytes);
        assert_eq!(json::to_vec(&value), transcoded);
    }
});
