//! `com.atproto.sync.getBlob`: a blob as its account uploaded it.

use std::sync::Arc;

use atproto_data::syntax::CidString;
use atproto_data::{Cid, Did};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::readable_repo::{READ_AUTH, readable_repo};
use crate::app::App;
use crate::blob::{BlobContent, BlobInfo};
use crate::server::byte_range::{Part, Selection, select};
use crate::server::{Method, XrpcError, XrpcResult};
use crate::xrpc::Call;
use crate::xrpc::repo_error::blob_file_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getBlob", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

/// Whoever opens a blob in a browser gets a file, never a page that runs under this server's name.
const SAFETY_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    ),
];
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    let cid: CidString = call.params.required("cid")?;
    readable_repo(&app, &call.caller, &did).await?;
    // Of the CIDs that there are, blobs have only some.
    let cid: Cid = cid.as_str().parse().map_err(|_| not_found())?;
    let found = app
        .blobs
        .find(&did, &cid)
        .await
        .map_err(|error| XrpcError::internal(&error))?;
    let blob = found.ok_or_else(not_found)?;
    let etag = format!("\"{cid}\"");
    if names(call.headers(), &header::IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let (status, part) = match selected(call.headers(), &etag, blob.size) {
        Selection::Whole => (
            StatusCode::OK,
            Part {
                start: 0,
                length: blob.size,
            },
        ),
        Selection::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Selection::Unsatisfiable => return Err(unsatisfiable(blob.size)),
    };
    let content = app.blobs.content(&did, &cid, &blob, part.start, part.length).await;
    let content = content
        .map_err(|error| blob_file_error(&error))?
        .ok_or_else(not_found)?;
    let mut response = (status, body(content)).into_response();
    describe(&mut response, &cid, &blob, &etag, part)?;
    Ok(response)
}

/// A range counts only for the blob that the client has a part of already (`If-Range`).
fn selected(headers: &HeaderMap, etag: &str, size: u64) -> Selection {
    if headers.contains_key(header::IF_RANGE) && !names(headers, &header::IF_RANGE, etag) {
        return Selection::Whole;
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (Some(range), None) => select(range.to_str().ok(), size),
        _ => Selection::Whole,
    }
}

/// Whether a header lists this entity tag, or any.
fn names(headers: &HeaderMap, name: &HeaderName, etag: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag.trim_start_matches("W/") == etag || tag == "*")
}

fn body(content: BlobContent) -> Body {
    match content {
        BlobContent::Memory(bytes) => Body::from(bytes),
        BlobContent::Stream(bytes) => Body::from_stream(bytes),
    }
}

fn describe(response: &mut Response, cid: &Cid, blob: &BlobInfo, etag: &str, part: Part) -> Result<(), XrpcError> {
    let disposition = format!("attachment; filename=\"{cid}\"");
    let range = format!(
        "bytes {}-{}/{}",
        part.start,
        part.start + part.length.saturating_sub(1),
        blob.size
    );
    // `*/*` is what a client may send but no type that anything has.
    let content_type = match HeaderValue::try_from(blob.mime_type.as_str()) {
        Ok(value) if !blob.mime_type.contains('*') => value,
        _ => UNKNOWN_TYPE,
    };
    let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.extend(SAFETY_HEADERS);
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.length));
    headers.insert(header::CONTENT_DISPOSITION, value(disposition)?);
    headers.insert(header::ETAG, value(etag.to_owned())?);
    headers.insert(header::ACCEPT_RANGES, BYTES);
    if is_part {
        headers.insert(header::CONTENT_RANGE, value(range)?);
    }
    Ok(())
}

fn value(text: String) -> Result<HeaderValue, XrpcError> {
    HeaderValue::try_from(text).map_err(|error| XrpcError::internal(&error))
}

fn unsatisfiable(size: u64) -> XrpcError {
    let error = XrpcError::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "InvalidRequest",
        "Nothing of this range is there",
    );
    match HeaderValue::try_from(format!("bytes */{size}")) {
        Ok(range) => error.with_header(header::CONTENT_RANGE, range),
        Err(_) => error,
    }
}

fn not_found() -> XrpcError {
    XrpcError::invalid_request("Blob not found")
}
