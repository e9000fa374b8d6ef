//! How the server is doing: `/livez` and `/readyz` for Kubernetes, `/xrpc/_health` as the reference has it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::server::application::Application;
use crate::server::health::{Database, Health};
use crate::server::respond;

/// `GET /livez`: 200 as long as the process answers at all. It looks at nothing.
pub(in crate::server) async fn livez() -> Response {
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

/// `GET /readyz`: whether traffic should come here.
pub(in crate::server) async fn readyz<S: Application>(State(app): State<Arc<S>>) -> Response {
    readiness(&app.health())
}

/// 503 with what the server waits for; 200 `ok`, or `degraded` with the reasons; notes, if there are any, beside both.
pub(in crate::server) fn readiness(health: &Health) -> Response {
    if let Some(reason) = health.not_ready() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": reason }));
    }
    let mut body = if health.degraded.is_empty() {
        json!({ "status": "ok" })
    } else {
        json!({ "status": "degraded", "reasons": health.degraded })
    };
    if !health.notes.is_empty() {
        body["notes"] = json!(health.notes);
    }
    answer(StatusCode::OK, &body)
}

/// `GET /xrpc/_health`: our version, and 503 if the database cannot be read.
pub(in crate::server) async fn health<S: Application>(State(app): State<Arc<S>>) -> Response {
    let version = &app.site().version;
    match app.health().database {
        Database::Readable => answer(StatusCode::OK, &json!({ "version": version })),
        Database::Unreadable => {
            let body = json!({ "version": version, "error": "Service Unavailable" });
            answer(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, respond::JSON)], body.to_string()).into_response()
}
