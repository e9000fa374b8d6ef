//! What the checks found, printed as it is found.

use serde_json::{Value, json};

use crate::causes::in_one_line;
use crate::cli::Outcome;
use crate::cli::print::{Output, print_fields, print_json};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works, and the operator should know something.
    Note,
    Failed,
}

/// A check: what was looked at, what was found, and what to do about it.
#[derive(Debug)]
pub(super) struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    advice: &'static str,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding {
            check,
            verdict: Verdict::Ok,
            found: found.into(),
            advice: "",
        }
    }

    pub(super) fn note(check: &'static str, found: impl Into<String>, advice: &'static str) -> Finding {
        Finding {
            check,
            verdict: Verdict::Note,
            found: found.into(),
            advice,
        }
    }

    pub(super) fn failed(check: &'static str, found: impl Into<String>, advice: &'static str) -> Finding {
        Finding {
            check,
            verdict: Verdict::Failed,
            found: found.into(),
            advice,
        }
    }

    /// What a check found, or that it could not be made.
    pub(super) fn of(check: &'static str, found: reqwest::Result<Finding>, advice: &'static str) -> Finding {
        found.unwrap_or_else(|error| Finding::failed(check, in_one_line(&error), advice))
    }

    fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "FAILED",
        }
    }

    fn json(&self) -> Value {
        let advice = Some(self.advice).filter(|advice| !advice.is_empty());
        json!({"check": self.check, "verdict": self.word().to_lowercase(), "found": self.found, "advice": advice})
    }
}

/// All that was found so far.
pub(super) struct Findings {
    output: Output,
    all: Vec<Finding>,
}

impl Findings {
    pub(super) fn new(output: Output) -> Findings {
        Findings {
            output,
            all: Vec::new(),
        }
    }

    /// Takes note of what a check found, and prints it at once: the next check may take long.
    pub(super) fn add(&mut self, finding: Finding) -> Outcome {
        if !self.output.json {
            print_fields(&[finding.word(), finding.check, &finding.found])?;
            if !finding.advice.is_empty() {
                print_fields(&["", "", finding.advice])?;
            }
        }
        self.all.push(finding);
        Ok(())
    }

    /// Prints what is not printed yet; an error if a check failed.
    pub(super) fn finish(self) -> Outcome {
        if self.output.json {
            print_json(&self.all.iter().map(Finding::json).collect())?;
        }
        let failed = self.all.iter().filter(|finding| finding.verdict == Verdict::Failed);
        match failed.count() {
            0 => Ok(()),
            failed => Err(format!("{failed} of {} checks failed", self.all.len()).into()),
        }
    }
}
