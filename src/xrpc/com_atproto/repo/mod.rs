//! `com.atproto.repo.*`.

pub(super) mod apply_writes;
pub(super) mod create_record;
pub(super) mod delete_record;
pub(super) mod describe_repo;
pub(super) mod get_record;
pub(super) mod list_records;
pub(super) mod put_record;
mod write_input;
