//! Inputs shared with the tests of the crates, which live outside the repository.

use std::path::PathBuf;

/// The lines of a file of inputs, without comments. Without the vectors there are none, which is said (and is an error where `CI` is
/// set); every test has inputs of its own beside them.
pub(crate) fn vectors(file: &str) -> Vec<String> {
    let lines = vector_file(&format!("atproto/{file}")).unwrap_or_default();
    lines
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The text of a file of the vectors.
#[expect(clippy::disallowed_methods, reason = "a knob of the tests, not of the server")]
pub(crate) fn vector_file(path: &str) -> Option<String> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors");
    let directory = std::env::var_os("PDS_VECTORS_DIR").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let text = std::fs::read_to_string(directory.join(path)).ok();
    if text.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "vectors missing at {}",
            directory.display()
        );
        println!("NOT RUN: vectors missing at {}", directory.display());
    }
    text
}
