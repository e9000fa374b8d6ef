//! Reads single settings and remembers everything that is wrong with them.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::secret::Secret;
use super::setting::{Effect, Fallback, Setting};
use super::tables::{all_settings, setting};

/// Largest file accepted for a `<name>_FILE`, in bytes.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// At most this many characters of a wrong value are shown.
const MAX_SHOWN_CHARACTERS: usize = 80;

/// The environment while it is being read.
///
/// A method that finds a value wrong notes a problem and answers as if the setting were not set, so that reading goes
/// on and [`Reader::finish`] reports everything together.
pub(super) struct Reader<'a> {
    environment: &'a HashMap<String, String>,
    given: BTreeSet<&'static str>,
    asked: BTreeSet<&'static str>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    left_off: Vec<&'static str>,
}

/// What reading found beside the values themselves.
pub(super) struct Findings {
    /// Settings that were given although the server does not act on them yet.
    pub(super) not_in_use_yet: Vec<&'static str>,
    /// Remarks for the operator.
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a HashMap<String, String>) -> Self {
        Self {
            environment,
            given: BTreeSet::new(),
            asked: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            left_off: Vec::new(),
        }
    }

    /// Notes that `name` is wrong. `message` says what it wants and contains no secret.
    pub(super) fn problem(&mut self, name: &str, message: impl Into<String>) {
        let problem = Problem {
            name: name.to_owned(),
            message: message.into(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Notes something the operator should know although the server starts.
    pub(super) fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// Reminds the operator that what `name` switches on is off, unless it was set or explicitly left empty. All such names share one
    /// warning.
    pub(super) fn remind_if_unset(&mut self, name: &'static str) {
        if !self.environment.contains_key(name) {
            self.left_off.push(name);
        }
    }

    /// Text, or its default; empty and blank count as not set.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let given = self.given_text(name);
        match (given, setting(name).map(|setting| setting.fallback)) {
            (Some(text), _) => Some(text),
            (None, Some(Fallback::Value(default))) => Some(default.to_owned()),
            (None, Some(Fallback::Required)) => {
                self.missing(name);
                None
            }
            (None, _) => None,
        }
    }

    fn missing(&mut self, name: &'static str) {
        let file_name = format!("{name}_FILE");
        if self.problems.iter().all(|problem| problem.name != file_name) {
            self.problem(name, format!("must be set, or {file_name}"));
        }
    }

    /// A secret, from the variable or from the file that `<name>_FILE` names.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<Secret> {
        self.text(name).map(|text| Secret::from(text.as_str()))
    }

    /// A value that `parse` understands; `wants` completes the sentence "must be …".
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        wants: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.refuse(name, wants, &text);
        }
        parsed
    }

    /// `true`, `1`, `false` or `0`; false when there is no default.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        let parse = |text: &str| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        self.parsed(name, "true, 1, false or 0", parse).unwrap_or_default()
    }

    /// A whole number, if there is one.
    pub(super) fn optional_number(&mut self, name: &'static str) -> Option<u64> {
        self.parsed(name, "a whole number", |text| text.parse().ok())
    }

    /// A whole number of a setting that has a default.
    pub(super) fn number(&mut self, name: &'static str) -> u64 {
        self.optional_number(name).unwrap_or_default()
    }

    /// A duration in milliseconds of a setting that has a default.
    pub(super) fn milliseconds(&mut self, name: &'static str) -> Duration {
        Duration::from_millis(
            self.parsed(name, "a number of milliseconds", |text| text.parse().ok())
                .unwrap_or(0),
        )
    }

    /// A comma-separated list; blank entries are dropped.
    pub(super) fn list(&mut self, name: &'static str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// An absolute `http` or `https` address, as written but without a `/` at its end.
    pub(super) fn url(&mut self, name: &'static str) -> Option<String> {
        self.parsed(name, "an http:// or https:// address", |text| {
            is_web_address(text).then(|| text.trim_end_matches('/').to_owned())
        })
    }

    /// Notes that the value of `name` is not what it `wants`, showing the value unless it is secret.
    pub(super) fn refuse(&mut self, name: &'static str, wants: &str, text: &str) {
        let secret = setting(name).is_none_or(|setting| setting.secret);
        let got = if secret {
            String::new()
        } else {
            let shown: String = text.chars().take(MAX_SHOWN_CHARACTERS).collect();
            format!(", got {shown:?}")
        };
        self.problem(name, format!("must be {wants}{got}"));
    }

    /// True if the operator set `name`, rightly or wrongly.
    pub(super) fn is_given(&mut self, name: &'static str) -> bool {
        self.given_text(name).is_some()
    }

    /// What could be read and everything noted, or the error that lists what is wrong.
    ///
    /// `required` is none only where a problem was noted.
    pub(super) fn finish<T>(mut self, required: Option<T>) -> Result<(T, Findings), ConfigError> {
        debug_assert!(
            all_settings().all(|setting| self.asked.contains(setting.name)),
            "a setting in the tables is read by no section"
        );
        let Some(required) = required.filter(|_| self.problems.is_empty()) else {
            return Err(ConfigError::new(self.problems));
        };
        if !self.left_off.is_empty() {
            let names = self.left_off.join(", ");
            self.warn(format!(
                "not set, so what they switch on is off: {names}. Set them as docs/configuration.md says, or set them to nothing if that is \
                 what you want"
            ));
        }
        let is_later = |name: &&&'static str| setting(name).map(|setting| setting.effect) == Some(Effect::NotYet);
        let not_in_use_yet = self.given.iter().filter(is_later).copied().collect();
        Ok((
            required,
            Findings {
                not_in_use_yet,
                warnings: self.warnings,
            },
        ))
    }

    fn given_text(&mut self, name: &'static str) -> Option<String> {
        debug_assert!(setting(name).is_some(), "{name} is in no table");
        self.asked.insert(name);
        let variable = self.variable(name);
        let text = match setting(name) {
            Some(Setting { secret: true, .. }) => self.secret_text(name, variable),
            _ => variable,
        };
        if text.is_some() {
            self.given.insert(name);
        }
        text
    }

    fn variable(&self, name: &str) -> Option<String> {
        let text = self.environment.get(name)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn secret_text(&mut self, name: &str, variable: Option<String>) -> Option<String> {
        let file_name = format!("{name}_FILE");
        let Some(path) = self.variable(&file_name) else {
            return variable;
        };
        if variable.is_some() {
            self.problem(&file_name, format!("is set beside {name}: keep one of the two"));
            return variable;
        }
        match read_secret_file(Path::new(&path)) {
            Ok(text) => Some(text),
            Err(message) => {
                self.problem(&file_name, format!("{path} {message}"));
                None
            }
        }
    }
}

/// True for an absolute `http` or `https` address with a host and without a user or password in it.
pub(super) fn is_web_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

fn read_secret_file(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let read = file.take(MAX_SECRET_FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_SECRET_FILE_BYTES {
        return Err(format!("is larger than {MAX_SECRET_FILE_BYTES} bytes"));
    }
    match std::str::from_utf8(&bytes).map(str::trim) {
        Ok("") => Err("is empty".to_owned()),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err("is not UTF-8 text".to_owned()),
    }
}
