//! Records as JSON, written straight from their DAG-CBOR.

use atproto_data::json::write_cbor_as_json;

use crate::repo::RecordView;
use crate::server::XrpcError;

/// Appends `{"uri", "cid", "value"}`. URIs and CIDs have no character that JSON would have to escape.
pub(super) fn write_record(out: &mut Vec<u8>, uri: &str, record: &RecordView) -> Result<(), XrpcError> {
    out.extend_from_slice(b"{\"uri\":\"");
    out.extend_from_slice(uri.as_bytes());
    out.extend_from_slice(b"\",\"cid\":\"");
    out.extend_from_slice(record.cid.to_string().as_bytes());
    out.extend_from_slice(b"\",\"value\":");
    write_cbor_as_json(&record.content, out).map_err(|error| XrpcError::internal(&error))?;
    out.push(b'}');
    Ok(())
}
