//! `GET /metrics` on a port of its own (`PDS_METRICS_PORT`): what an operator may know is nothing for everybody.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::listen;
use crate::observe::{metrics, process};

/// Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until `stop` is cancelled. `measure` brings gauges up to date before each answer; it must be quick.
pub async fn serve(listener: TcpListener, measure: impl Fn() + Clone + Send + Sync + 'static, stop: CancellationToken) {
    let answer = move || {
        process::measure();
        measure();
        std::future::ready(([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics::render()))
    };
    listen::serve(listener, Router::new().route("/metrics", get(answer)), stop).await;
}
