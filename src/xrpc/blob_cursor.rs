//! The cursor of listings of blobs: the last blob's CID.

use atproto_data::Cid;

use crate::server::{Params, XrpcError};

pub(super) fn blob_cursor(params: &Params) -> Result<Option<Cid>, XrpcError> {
    let cursor = params.optional_str("cursor")?;
    cursor
        .map(|cursor| {
            cursor
                .parse()
                .map_err(|_| XrpcError::invalid_request("Malformed cursor"))
        })
        .transpose()
}
