//! Where the protocol's shared test vectors are.

#![expect(
    clippy::disallowed_methods,
    reason = "where the vectors are is for the environment to say"
)]

use std::path::PathBuf;

/// The text of a vector file, such as `lexicon/lexicon-valid.json`. Without the vectors it says so and returns `None`,
/// but panics in CI, where they must be.
pub(crate) fn read(name: &str) -> Option<String> {
    let directory = std::env::var_os("PDS_VECTORS_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let path = directory.join("atproto").join(name);
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Some(text);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "vectors missing at {}",
        path.display()
    );
    println!("NOT RUN: vectors missing at {}", path.display());
    None
}
