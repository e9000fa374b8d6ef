//! `pds email`: whether mail leaves.

use clap::Subcommand;
use serde_json::json;

use super::Outcome;
use super::print::{Output, print_fields, print_json};
use crate::app::mail_settings;
use crate::config::Config;
use crate::mail::check::{Passed, check};
use crate::random::{SystemRandom, base32};

#[derive(Debug, Subcommand)]
pub(super) enum EmailVerb {
    /// Send a mail with the settings of the environment, step by step: DNS, connect, TLS, login, from-address, recipient. Says what to do
    /// about the first step that fails, with exit status 1.
    Test {
        /// Where the mail is to go, such as you@example.com.
        to: String,
        #[command(flatten)]
        output: Output,
    },
}

pub(super) async fn run(verb: EmailVerb) -> Outcome {
    let EmailVerb::Test { to, output } = verb;
    let config = Config::from_env()?;
    let settings = mail_settings(&config)?;
    let sender = settings
        .users
        .ok_or("no mail server is set: set PDS_EMAIL_SMTP_URL (or PDS_EMAIL_SMTP_HOST) and PDS_EMAIL_FROM_ADDRESS")?;
    let id = base32::<26>(&SystemRandom);
    let mut steps = Vec::new();
    let mut tell = |passed: Passed| {
        if !output.json {
            // Somebody who waits wants to see how far it is.
            let _ = print_fields(&["ok", passed.step, &passed.found]);
        }
        steps.push(passed);
    };
    let result = check(&sender, &to, &settings.branding, &id, &mut tell).await;
    if output.json {
        let steps: Vec<_> = steps
            .iter()
            .map(|passed| json!({"step": passed.step, "found": passed.found}))
            .collect();
        let failed = result.as_ref().err();
        let failed =
            failed.map(|failed| json!({"step": failed.step, "reason": failed.reason, "advice": failed.advice}));
        print_json(&json!({"passed": steps, "failed": failed}))?;
    }
    Ok(result?)
}
