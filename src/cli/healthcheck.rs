//! `pds healthcheck`: for container images that have no shell and no curl.

use super::Outcome;
use super::admin_client::local_url;

pub(super) async fn run() -> Outcome {
    let url = format!("{}/livez", local_url());
    let answer = reqwest::get(&url).await?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("{url} answered {}", answer.status()).into())
    }
}
