//! `docs/configuration.md`, written from the tables of settings.

use std::fmt::Write;

use super::setting::{Effect, Fallback, Setting};
use super::tables::TABLES;

const INTRODUCTION: &str = "\
# Configuration

All settings are environment variables. Their names and meanings are those of the reference server, so an existing
`pds.env` works as it is; some names are our own.

- An empty value counts as not set, but says that this is meant: where a feature is off without a setting, the server reminds of
  it at start unless the setting is there and empty. Whitespace around a value is dropped.
- A yes/no value is `true`, `1`, `false` or `0`. Lists are separated by commas. Times are in milliseconds, sizes in bytes.
- A *secret* may be kept in a file instead: `NAME_FILE` names the file (a mounted Kubernetes secret, for example).
  Setting both is an error.
- A wrong value keeps the server from starting; the message lists everything that is wrong. An unknown `PDS_*` name is
  only warned about.
- *Not in use yet* means that the value is checked and accepted, and that the feature behind it is still to be built.
  The server says so at start.
- Certificates of mail servers, buckets and other services are judged by the system's authorities. For an authority of your own name a file with it, and
  with the system's where they are needed too, in `SSL_CERT_FILE` (PEM).

This file is generated from the source: `UPDATE_DOCS=1 cargo test -p pds config` rewrites it.
";

/// The reference of all settings, in Markdown.
pub(super) fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (title, settings) in TABLES {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {title}\n\n| Name | Default | What |\n|---|---|---|\n");
        for setting in *settings {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} |",
                setting.name,
                default_column(setting),
                what_column(setting)
            );
        }
    }
    page
}

fn default_column(setting: &Setting) -> String {
    match setting.fallback {
        Fallback::Unset => "–".to_owned(),
        Fallback::Value(value) => format!("`{value}`"),
        Fallback::Computed(description) => description.to_owned(),
        Fallback::Required => "**required**".to_owned(),
    }
}

fn what_column(setting: &Setting) -> String {
    let secret = if setting.secret { " *Secret.*" } else { "" };
    let effect = match setting.effect {
        Effect::InUse => "",
        Effect::NotYet => " *Not in use yet.*",
        Effect::Never => " *Accepted without effect.*",
    };
    format!("{}{secret}{effect}", setting.what)
}
