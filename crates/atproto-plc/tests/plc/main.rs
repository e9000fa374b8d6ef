//! The crate as others use it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the vectors' place is in the environment"
)]

mod audit;
mod constraints;
mod directory;
mod properties;
mod recovery;
mod support;
mod vectors;
