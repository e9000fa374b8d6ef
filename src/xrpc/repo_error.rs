//! Errors of repos as clients see them.

use std::io::ErrorKind;

use atproto_data::{Did, Nsid, RecordKey};

use crate::account::{Account, AccountStatus};
use crate::blob::BlobRefError;
use crate::repo::RepoError;
use crate::server::XrpcError;
use crate::store::StoreError;

/// `at://did/collection/rkey`.
pub(super) fn record_uri(did: &Did, collection: &Nsid, rkey: &RecordKey) -> String {
    format!("at://{did}/{collection}/{rkey}")
}

/// An error of a write in the caller's own repo.
pub(super) fn own_repo_error(error: RepoError) -> XrpcError {
    match error {
        RepoError::InvalidSwap(message) => XrpcError::bad_request("InvalidSwap", message),
        RepoError::Blob(error) => blob_ref_error(error),
        RepoError::Store(StoreError::BlobGone) => {
            XrpcError::bad_request("BlobNotFound", StoreError::BlobGone.to_string())
        }
        RepoError::Inactive => XrpcError::unauthorized("AccountDeactivated", "Account is deactivated"),
        RepoError::RecordExists(_)
        | RepoError::RecordMissing(_)
        | RepoError::TooManyWrites { .. }
        | RepoError::EventTooLarge
        | RepoError::Tree(_) => XrpcError::invalid_request(error.to_string()),
        other => read_error(other),
    }
}

/// Why a record may not refer to a blob.
fn blob_ref_error(error: BlobRefError) -> XrpcError {
    let name = match error {
        BlobRefError::NotFound(_) => "BlobNotFound",
        BlobRefError::MimeType { .. } => "InvalidMimeType",
        BlobRefError::Size { .. } => "InvalidSize",
        BlobRefError::Store(error) => return read_error(RepoError::Store(error)),
    };
    XrpcError::bad_request(name, error.to_string())
}

/// An error of a read.
pub(super) fn read_error(error: RepoError) -> XrpcError {
    match error {
        RepoError::NotFound => XrpcError::bad_request("RepoNotFound", "Could not find repo"),
        RepoError::BlocksTooLarge { .. } => XrpcError::invalid_request(error.to_string()),
        RepoError::Busy => XrpcError::not_enough_resources(error.to_string()),
        other => XrpcError::internal(&other),
    }
}

/// The file of a blob cannot be written or read.
pub(super) fn blob_file_error(error: &std::io::Error) -> XrpcError {
    match error.kind() {
        ErrorKind::TimedOut => {
            tracing::warn!(%error, "a blob took too long");
            XrpcError::upstream_timeout("Operation timed out, please try again.")
        }
        ErrorKind::NotConnected => {
            tracing::warn!(%error, "the blob store fails");
            XrpcError::upstream_failure("The blob store does not work at the moment, try again later")
        }
        _ => XrpcError::internal(error),
    }
}

/// Why nobody but its owner and admins may see an account's data; nothing if it is active.
pub(super) fn not_active(account: &Account) -> Option<XrpcError> {
    let did = &account.did;
    match account.status {
        AccountStatus::Active => None,
        AccountStatus::TakenDown => Some(XrpcError::bad_request(
            "RepoTakendown",
            format!("Repo has been takendown: {did}"),
        )),
        AccountStatus::Deactivated => Some(XrpcError::bad_request(
            "RepoDeactivated",
            format!("Repo has been deactivated: {did}"),
        )),
    }
}
