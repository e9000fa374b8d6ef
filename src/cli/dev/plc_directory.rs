//! The PLC directory of `pds dev`: the state machine of `atproto-plc` over HTTP on loopback, kept in a file of JSON lines.

use std::fs::File;
use std::io::Write as _;
use std::path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atproto_plc::directory::{ExportCursor, RateLimits};
use atproto_plc::{Directory, DirectoryError, Timestamp};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock as _, SystemClock};

/// The most bytes of an operation's JSON; plc.directory takes 4,000 bytes of CBOR.
const MAX_OPERATION_BYTES: usize = 16 << 10;
/// Operations per export if the client says nothing.
const EXPORT_COUNT: usize = 10;

struct Served {
    directory: Mutex<Directory>,
    file: Mutex<File>,
}

/// Listens on loopback: on `wanted` if given, else on `preferred` or, if that is taken, on any free port.
pub(super) async fn listen(wanted: Option<u16>, preferred: u16) -> std::io::Result<TcpListener> {
    let on = |port| TcpListener::bind(("127.0.0.1", port));
    match wanted {
        Some(port) => on(port).await,
        None => match on(preferred).await {
            Ok(listener) => Ok(listener),
            Err(_) => on(0).await,
        },
    }
}

/// Serves the directory in `path` until it is stopped.
pub(super) fn serve(
    listener: TcpListener,
    path: &path::Path,
    stop: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    let lines = if path.exists() {
        std::fs::read_to_string(path)?
    } else {
        String::new()
    };
    let directory = Directory::from_json_lines(&lines, RateLimits::default()).map_err(std::io::Error::other)?;
    let file = File::options().create(true).append(true).open(path)?;
    let served = Arc::new(Served {
        directory: Mutex::new(directory),
        file: Mutex::new(file),
    });
    let router = Router::new()
        .route(
            "/_health",
            get(|| async { Json(json!({"version": env!("CARGO_PKG_VERSION")})) }),
        )
        .route("/export", get(export))
        .route("/{did}", get(document).post(submit))
        .route("/{did}/data", get(data))
        .route("/{did}/log", get(log))
        .route("/{did}/log/audit", get(audit_log))
        .route("/{did}/log/last", get(last))
        .layer(DefaultBodyLimit::max(MAX_OPERATION_BYTES))
        .with_state(served);
    Ok(tokio::spawn(async move {
        let stopped = stop.cancelled_owned();
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the PLC directory ended");
        }
    }))
}

impl Served {
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an operation and writes it down before anybody hears of it.
    fn submit(&self, did: &str, operation: &Value) -> Result<(), DirectoryError> {
        let mut directory = self.directory();
        let before = directory.last_sequence();
        let mut after = directory.clone();
        after.submit(
            did,
            operation,
            Timestamp::from_micros(SystemClock.now_micros().unsigned_abs()),
        )?;
        let lines = after.to_json_lines(before);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|error| DirectoryError {
            status: 500,
            message: error.to_string(),
        })?;
        *directory = after;
        Ok(())
    }
}

fn answer(result: Result<Value, DirectoryError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &DirectoryError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"message": error.message}))).into_response()
}

async fn document(State(served): State<Arc<Served>>, Path(did): Path<String>) -> Response {
    match served.directory().document(&did) {
        Ok(document) => (
            [(header::CONTENT_TYPE, "application/did+ld+json")],
            document.to_string(),
        )
            .into_response(),
        Err(error) => refusal(&error),
    }
}

async fn data(State(served): State<Arc<Served>>, Path(did): Path<String>) -> Response {
    answer(served.directory().data(&did))
}

async fn log(State(served): State<Arc<Served>>, Path(did): Path<String>) -> Response {
    answer(served.directory().log(&did))
}

async fn audit_log(State(served): State<Arc<Served>>, Path(did): Path<String>) -> Response {
    answer(served.directory().audit_log(&did))
}

async fn last(State(served): State<Arc<Served>>, Path(did): Path<String>) -> Response {
    answer(served.directory().last(&did))
}

async fn submit(State(served): State<Arc<Served>>, Path(did): Path<String>, Json(operation): Json<Value>) -> Response {
    match served.submit(&did, &operation) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refusal(&error),
    }
}

#[derive(Deserialize)]
struct ExportQuery {
    after: Option<String>,
    count: Option<usize>,
}

async fn export(State(served): State<Arc<Served>>, Query(query): Query<ExportQuery>) -> Response {
    let cursor = match ExportCursor::from_query(query.after.as_deref()) {
        Ok(cursor) => cursor,
        Err(error) => return refusal(&error),
    };
    let entries = served.directory().export(cursor, query.count.unwrap_or(EXPORT_COUNT));
    let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
    ([(header::CONTENT_TYPE, "application/jsonlines")], lines.join("\n")).into_response()
}
