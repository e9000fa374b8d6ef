//! `com.atproto.sync.*`.

pub(super) mod get_blocks;
pub(super) mod get_latest_commit;
pub(super) mod get_record;
pub(super) mod get_repo;
pub(super) mod get_repo_status;
pub(super) mod list_repos;
mod readable_repo;
pub(super) mod subscribe_repos;
