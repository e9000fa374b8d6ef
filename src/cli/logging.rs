//! Structured logs on standard output.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogLevel};

/// Starts logging as configured; a second call changes nothing.
pub(super) fn start(config: &LogConfig) {
    if !config.enabled {
        return;
    }
    let filter = EnvFilter::new(format!("{},sqlx=warn,hyper=warn,h2=warn", level(config.level)));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging has been started before");
    }
}

/// The level as the filter spells it.
fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Silent => "off",
        LogLevel::Fatal | LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
