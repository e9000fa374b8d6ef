//! What is logged, and where to.

use std::path::PathBuf;

use super::reader::Reader;
use super::setting::Setting;

const LEVEL: &str = "LOG_LEVEL";

pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "LOG_ENABLED",
        "Whether anything is logged: `true`, `t` or `1`; anything else means no.",
    )
    .or("true"),
    Setting::new(
        LEVEL,
        "Least severe level logged: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. Parts of the server may have levels of \
         their own, named after its directories: `info,mail=debug,appview=trace`.",
    )
    .or("info"),
    Setting::new("LOG_DESTINATION", "File to log to.")
        .or_computed("standard output")
        .not_yet(),
    Setting::new(
        "LOG_SYSTEMS",
        "Names of the parts that log, separated by commas or blanks.",
    )
    .or_computed("all")
    .not_yet(),
];

/// What is logged, and where to.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `LOG_ENABLED`: whether anything is logged.
    pub enabled: bool,
    /// `LOG_LEVEL`: least severe level logged.
    pub level: LogLevel,
    /// `LOG_LEVEL`: parts of the server that have a level of their own, by the names of their directories.
    pub levels: Vec<(String, LogLevel)>,
    /// `LOG_DESTINATION`: file to log to; none means standard output.
    pub destination: Option<PathBuf>,
    /// `LOG_SYSTEMS`: parts that log; empty means all.
    pub systems: Vec<String>,
}

/// How severe a log line is; the names are those of the reference server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing is logged.
    Silent,
    /// The server stops.
    Fatal,
    /// Something failed.
    Error,
    /// Something may fail later.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "silent" => Self::Silent,
            "fatal" => Self::Fatal,
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return None,
        })
    }
}

/// The level of everything and those of parts: `info,mail=debug`.
fn parse_levels(text: &str) -> Option<(LogLevel, Vec<(String, LogLevel)>)> {
    let mut words = text.split(',').map(str::trim);
    let level = LogLevel::parse(words.next()?)?;
    let part = |word: &str| {
        let (part, level) = word.split_once('=')?;
        let is_name = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_name.then_some((part.to_owned(), LogLevel::parse(level)?))
    };
    Some((level, words.map(part).collect::<Option<_>>()?))
}

impl LogConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let enabled = reader.text("LOG_ENABLED").unwrap_or_default().to_ascii_lowercase();
        let levels = reader.parsed(
            LEVEL,
            "fatal, error, warn, info, debug, trace or silent, and perhaps parts with other levels (info,mail=debug)",
            parse_levels,
        );
        let (level, levels) = levels.unwrap_or((LogLevel::Info, Vec::new()));
        let systems = reader.text("LOG_SYSTEMS").unwrap_or_default();
        let is_separator = |character: char| character == ',' || character.is_whitespace();
        Self {
            enabled: matches!(enabled.as_str(), "true" | "t" | "1"),
            level,
            levels,
            destination: reader.text("LOG_DESTINATION").map(PathBuf::from),
            systems: systems
                .split(is_separator)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_have_levels_of_their_own() {
        assert_eq!(parse_levels("warn"), Some((LogLevel::Warn, Vec::new())));
        let mail = ("mail".to_owned(), LogLevel::Debug);
        let appview = ("appview".to_owned(), LogLevel::Silent);
        assert_eq!(
            parse_levels("info, mail=debug,appview=silent"),
            Some((LogLevel::Info, vec![mail, appview]))
        );
        for wrong in [
            "",
            "loud",
            "mail=debug",
            "info,mail",
            "info,mail=loud",
            "info,=debug",
            "info,a[b]=debug",
        ] {
            assert_eq!(parse_levels(wrong), None, "{wrong}");
        }
    }
}
