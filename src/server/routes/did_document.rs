//! `GET /.well-known/did.json`: the DID document of the server itself ([did:web](https://w3c-ccg.github.io/did-method-web/)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::not_found;
use crate::server::application::Application;
use crate::server::respond;

pub(in crate::server) async fn did_document<S: Application>(State(app): State<Arc<S>>) -> Response {
    let site = app.site();
    if site.service_did != format!("did:web:{}", site.hostname) {
        return not_found();
    }
    let document = json!({
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": site.service_did,
        "service": [{
            "id": "#atproto_pds",
            "type": "AtprotoPersonalDataServer",
            "serviceEndpoint": site.public_url,
        }],
    });
    respond::json(&document).into_response()
}
