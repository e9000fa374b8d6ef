//! Structured logs on standard output.

use std::fmt::Write as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogLevel};

/// It calls every certificate that is not good an error, also that of a web site which a user named. Who asked gets the reason and logs what
/// matters.
const SILENCED: &str = "rustls_platform_verifier=off";

/// Starts logging as configured; a second call changes nothing.
pub(super) fn start(config: &LogConfig) {
    if !config.enabled {
        return;
    }
    let filter = EnvFilter::new(directives(config));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging has been started before");
    }
}

/// What is logged, as the filter spells it. Other people's code tells what they debug, and does not know what is secret here: of it only
/// warnings are logged.
fn directives(config: &LogConfig) -> String {
    let mut directives = format!(
        "{},{SILENCED},pds={}",
        level(config.level.min(LogLevel::Warn)),
        level(config.level)
    );
    for (part, own) in &config.levels {
        // Writing to a String cannot fail.
        let _ = write!(directives, ",pds::{part}={}", level(*own));
    }
    directives
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

#[cfg(test)]
mod tests {
    use super::*;

    fn directives_of(level: LogLevel, levels: &[(&str, LogLevel)]) -> String {
        directives(&LogConfig {
            enabled: true,
            level,
            levels: levels
                .iter()
                .map(|(part, level)| ((*part).to_owned(), *level))
                .collect(),
            destination: None,
            systems: Vec::new(),
        })
    }

    #[test]
    fn parts_have_their_own_level_and_strangers_only_warn() {
        assert_eq!(
            directives_of(LogLevel::Info, &[]),
            "warn,rustls_platform_verifier=off,pds=info"
        );
        assert_eq!(
            directives_of(LogLevel::Error, &[]),
            "error,rustls_platform_verifier=off,pds=error"
        );
        assert_eq!(
            directives_of(LogLevel::Silent, &[]),
            "off,rustls_platform_verifier=off,pds=off"
        );
        let mail = [("mail", LogLevel::Trace)];
        assert_eq!(
            directives_of(LogLevel::Warn, &mail),
            "warn,rustls_platform_verifier=off,pds=warn,pds::mail=trace"
        );
    }
}
