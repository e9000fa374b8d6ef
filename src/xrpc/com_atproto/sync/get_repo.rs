//! `com.atproto.sync.getRepo`: a whole repo as a CAR.

use std::sync::Arc;

use atproto_data::{Did, Tid};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use tokio_util::io::ReaderStream;

use super::readable_repo::{READ_AUTH, readable_repo};
use crate::app::App;
use crate::repo::Car;
use crate::server::{Method, XrpcResult, respond};
use crate::xrpc::Call;
use crate::xrpc::repo_error::read_error;

pub(crate) const METHOD: Method<App> = Method::query("com.atproto.sync.getRepo", READ_AUTH, |app, call| {
    Box::pin(handle(app, call))
});

/// Bytes read from a spooled export at a time.
const CHUNK_BYTES: usize = 64 << 10;

async fn handle(app: Arc<App>, call: Call) -> XrpcResult {
    let did: Did = call.params.required("did")?;
    // A client that names a rev may be given the whole repo: it contains the difference.
    let _since: Option<Tid> = call.params.optional("since")?;
    let account = readable_repo(&app, &call.caller, &did).await?;
    match app.repos.export(account.repo_id).await.map_err(read_error)? {
        Car::Memory(bytes) => Ok(respond::car(bytes)),
        Car::File(file, length) => {
            let body = Body::from_stream(ReaderStream::with_capacity(file, CHUNK_BYTES));
            let mut response = respond::car(body);
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            Ok(response)
        }
    }
}
