//! `pds healthcheck`: for container images that have no shell and no curl.

use std::time::Duration;

use super::Outcome;
use super::admin_client::local_url;

/// How long a server that is alive may take.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn run() -> Outcome {
    let url = format!("{}/livez", local_url()?);
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let answer = http.get(&url).send().await?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("{url} answered {}", answer.status()).into())
    }
}
