//! Structured logs on standard output.

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// Starts logging as configured; a second call changes nothing.
pub(super) fn start(config: &LogConfig) {
    if !config.enabled {
        return;
    }
    let filter = EnvFilter::new(format!("{},sqlx=warn,hyper=warn,h2=warn", config.level));
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging has been started before");
    }
}
