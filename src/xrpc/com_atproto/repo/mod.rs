//! `com.atproto.repo.*`.

pub(in crate::xrpc) mod apply_writes;
pub(in crate::xrpc) mod create_record;
pub(in crate::xrpc) mod delete_record;
pub(in crate::xrpc) mod describe_repo;
pub(in crate::xrpc) mod get_record;
pub(in crate::xrpc) mod import_repo;
pub(in crate::xrpc) mod list_missing_blobs;
pub(in crate::xrpc) mod list_records;
pub(in crate::xrpc) mod put_record;
pub(in crate::xrpc) mod upload_blob;
mod write_input;
