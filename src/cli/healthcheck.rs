//! `pds healthcheck`: for container images that have no shell and no curl.

use std::time::Duration;

use clap::Args;

use super::Outcome;
use super::admin_client::local_url;
use super::print::print_fields;

/// How long a server that is alive may take.
const TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct HealthcheckArguments {
    /// Ask whether it is ready to serve, and print what /readyz says: what it waits for, or what does not work.
    #[arg(long)]
    ready: bool,
}

pub(super) async fn run(arguments: HealthcheckArguments) -> Outcome {
    let path = if arguments.ready { "readyz" } else { "livez" };
    let url = format!("{}/{path}", local_url()?);
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let answer = http.get(&url).send().await?;
    let status = answer.status();
    if arguments.ready {
        print_fields(&[&answer.text().await?])?;
    }
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("{url} answered {status}").into())
    }
}
