//! `GET /.well-known/atproto-did`: the DID of the handle that is the request's host
//! ([handle resolution](https://atproto.com/specs/handle#handle-resolution)).

use std::sync::Arc;

use atproto_data::Handle;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::server::application::Application;
use crate::server::middleware::host::RequestHost;
use crate::server::respond;

pub(in crate::server) async fn atproto_did<S: Application>(
    State(app): State<Arc<S>>,
    Extension(RequestHost(host)): Extension<RequestHost>,
) -> Response {
    let did = match host.parse::<Handle>() {
        Ok(handle) => app.did_of_handle(&handle).await,
        Err(_) => Ok(None),
    };
    match did {
        Ok(Some(did)) => respond::text(did.as_str()),
        Ok(None) => (
            StatusCode::NOT_FOUND,
            [(header::CONTENT_TYPE, respond::TEXT)],
            "User not found",
        )
            .into_response(),
        Err(error) => error.into_response(),
    }
}
