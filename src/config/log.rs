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
        "Least severe level logged: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.",
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

impl LogConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let enabled = reader.text("LOG_ENABLED").unwrap_or_default().to_ascii_lowercase();
        let level = reader.parsed(
            LEVEL,
            "fatal, error, warn, info, debug, trace or silent",
            LogLevel::parse,
        );
        let systems = reader.text("LOG_SYSTEMS").unwrap_or_default();
        let is_separator = |character: char| character == ',' || character.is_whitespace();
        Self {
            enabled: matches!(enabled.as_str(), "true" | "t" | "1"),
            level: level.unwrap_or(LogLevel::Info),
            destination: reader.text("LOG_DESTINATION").map(PathBuf::from),
            systems: systems
                .split(is_separator)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}
