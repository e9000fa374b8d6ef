//! Accounts as their callers see them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod activation;
mod creation;
mod directory;
mod sessions;
