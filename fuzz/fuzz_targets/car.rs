//! CAR: the reader ends, and every block that it gives has its CID.
#![no_main]

use atproto_data::Cid;
use atproto_repo::car::CarReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(reader) = CarReader::new(bytes) else { return };
    let mut read = 0;
    for block in reader {
        let Ok(block) = block else { return };
        assert_eq!(Cid::of_raw(block.bytes).digest(), block.cid.digest());
        read += block.bytes.len();
    }
    assert!(read <= bytes.len());
});
