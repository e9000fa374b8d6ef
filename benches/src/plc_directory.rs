//! A PLC directory in memory: the two calls that a server makes when it creates accounts, and the document.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use atproto_plc::{Directory, DirectoryError, Timestamp};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Error;

type Shared = Arc<Mutex<Directory>>;

/// Starts the directory on loopback and returns its URL.
pub(crate) async fn start() -> Result<String, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/{did}", get(document).post(submit))
        .route("/{did}/log/last", get(last))
        .with_state(Shared::default());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn submit(State(directory): State<Shared>, Path(did): Path<String>, Json(operation): Json<Value>) -> Response {
    let mut directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
    answer(directory.submit(&did, &operation, now()).map(|()| Value::Null))
}

async fn document(State(directory): State<Shared>, Path(did): Path<String>) -> Response {
    answer(directory.lock().unwrap_or_else(PoisonError::into_inner).document(&did))
}

async fn last(State(directory): State<Shared>, Path(did): Path<String>) -> Response {
    answer(directory.lock().unwrap_or_else(PoisonError::into_inner).last(&did))
}

fn answer(result: Result<Value, DirectoryError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.message).into_response()
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool that measures has no clock to be injected"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
