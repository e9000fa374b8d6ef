//! What verbs print: lines of fields for people and `cut`, or JSON for programs.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::Value;

use super::Outcome;

/// How a verb prints.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Output {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Output {
    /// Prints one answer, as JSON or as a line of its main fields.
    pub(super) fn print(self, json: &Value, fields: &[&str]) -> Outcome {
        if self.json {
            print_json(json)
        } else {
            print_fields(fields)
        }
    }
}

/// Prints one line of tab-separated fields.
pub(super) fn print_fields(fields: &[&str]) -> Outcome {
    writeln!(io::stdout(), "{}", fields.join("\t"))?;
    Ok(())
}

/// Prints JSON on one line.
pub(super) fn print_json(json: &Value) -> Outcome {
    writeln!(io::stdout(), "{json}")?;
    Ok(())
}
