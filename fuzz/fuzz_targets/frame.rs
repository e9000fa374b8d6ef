//! Frames of the firehose: read or refused.
#![no_main]

use atproto_repo::Frame;
use atproto_repo::car::CarReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Frame::Commit(commit)) = Frame::decode(bytes)
        && let Ok(blocks) = CarReader::new(&commit.blocks)
    {
        for block in blocks {
            if block.is_err() {
                return;
            }
        }
    }
});
