//! What is wrong with the settings: everything at once, so that an operator repairs it in one go.

use std::fmt;

/// The settings cannot be used. Its display lists every wrong setting on a line of its own, and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The environment variable to change.
    pub name: String,
    /// What it wants.
    pub message: String,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Every wrong setting, in the order of the documentation.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => write!(formatter, "a setting is wrong:")?,
            count => write!(formatter, "{count} settings are wrong:")?,
        }
        for problem in &self.problems {
            write!(formatter, "\n  {}: {}", problem.name, problem.message)?;
        }
        Ok(())
    }
}
