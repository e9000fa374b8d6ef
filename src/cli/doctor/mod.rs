//! `pds doctor`: looks at a server from outside, and at what it stands on, and says what to do about whatever does not work.

mod finding;
mod handles;
mod outside;
mod server;

use std::time::Duration;

use clap::Args;

use super::Outcome;
use super::admin_client::local_url;
use super::print::Output;
use crate::config::{Config, admin};
use finding::{Finding, Findings};

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

pub(super) async fn run(arguments: DoctorArguments) -> Outcome {
    let mut findings = Findings::new(arguments.output);
    let url = arguments.url.as_deref().map(|url| url.trim_end_matches('/'));
    let local = local_url()?;
    server::wait_for(url.unwrap_or(&local), Duration::from_secs(arguments.wait)).await?;
    if let Some(url) = url {
        server::look_at(url, admin::password()?.as_deref(), &mut findings).await?;
    } else {
        // What is wrong with the settings is told all at once.
        let config = Config::from_env()?;
        outside::look_at_settings(&config, &mut findings)?;
        outside::look_at_disk(&config, &mut findings)?;
        outside::look_at_blob_store(&config, &mut findings).await?;
        let password = config.secrets.admin_password.expose();
        server::look_at(&local, Some(password), &mut findings).await?;
        outside::look_at_public_name(&config, &local, &mut findings).await?;
        outside::look_at_services(&config, &mut findings).await?;
    }
    findings.finish()
}
