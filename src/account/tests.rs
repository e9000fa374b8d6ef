//! Accounts as their callers see them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod activation;
mod app_passwords;
mod creation;
mod directory;
mod handle_changes;
mod mailed_codes;
mod moderation;
mod move_in;
mod refresh;
mod second_factor;
mod sessions;
