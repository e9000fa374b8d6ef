//! `com.atproto.sync.*`.

pub(in crate::xrpc) mod get_blob;
pub(in crate::xrpc) mod get_blocks;
pub(in crate::xrpc) mod get_checkout;
pub(in crate::xrpc) mod get_head;
pub(in crate::xrpc) mod get_latest_commit;
pub(in crate::xrpc) mod get_record;
pub(in crate::xrpc) mod get_repo;
pub(in crate::xrpc) mod get_repo_status;
pub(in crate::xrpc) mod list_blobs;
pub(in crate::xrpc) mod list_repos;
pub(in crate::xrpc) mod list_repos_by_collection;
mod readable_repo;
pub(in crate::xrpc) mod subscribe_repos;
