//! `pds doctor`: looks at a server from outside, and at what it stands on, and says what to do about whatever does not work.

mod outside;
mod server;

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::Outcome;
use super::admin_client::local_url;
use super::print::{Output, print_fields, print_json};
use crate::config::{Config, admin};

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// Look only at the server at this address, such as http://bluesky-pds:3000, and at nothing on this machine.
    #[arg(long)]
    url: Option<String>,
    /// Seconds to wait for the server's first answer.
    #[arg(long, default_value_t = 0)]
    wait: u64,
    #[command(flatten)]
    output: Output,
}

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
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    advice: &'static str,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding {
            check,
            verdict: Verdict::Ok,
            found: found.into(),
            advice: "",
        }
    }

    fn note(check: &'static str, found: impl Into<String>, advice: &'static str) -> Finding {
        Finding {
            check,
            verdict: Verdict::Note,
            found: found.into(),
            advice,
        }
    }

    fn failed(check: &'static str, found: impl Into<String>, advice: &'static str) -> Finding {
        Finding {
            check,
            verdict: Verdict::Failed,
            found: found.into(),
            advice,
        }
    }
}

pub(super) async fn run(arguments: DoctorArguments) -> Outcome {
    let mut findings = Vec::new();
    let url = arguments.url.as_deref().map(|url| url.trim_end_matches('/'));
    let local = local_url()?;
    server::wait_for(url.unwrap_or(&local), Duration::from_secs(arguments.wait)).await?;
    if let Some(url) = url {
        server::look_at(url, admin::password()?.as_deref(), &mut findings).await?;
    } else {
        // What is wrong with the settings is told all at once.
        let config = Config::from_env()?;
        outside::look_at_disk(&config, &mut findings);
        let password = config.secrets.admin_password.expose();
        server::look_at(&local, Some(password), &mut findings).await?;
        outside::look_at_public_name(&config, &mut findings).await?;
        outside::look_at_services(&config, &mut findings).await?;
    }
    tell(&findings, arguments.output)?;
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Failed);
    match failed.count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} checks failed", findings.len()).into()),
    }
}

fn tell(findings: &[Finding], output: Output) -> Outcome {
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Failed => "FAILED",
    };
    if output.json {
        let as_json = |finding: &Finding| {
            let advice = Some(finding.advice).filter(|advice| !advice.is_empty());
            json!({"check": finding.check, "verdict": word(finding.verdict).to_lowercase(), "found": finding.found, "advice": advice})
        };
        return print_json(&Value::Array(findings.iter().map(as_json).collect()));
    }
    for finding in findings {
        print_fields(&[word(finding.verdict), finding.check, &finding.found])?;
        if !finding.advice.is_empty() {
            print_fields(&["", "", finding.advice])?;
        }
    }
    Ok(())
}
