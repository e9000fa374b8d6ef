//! `pds relay request-crawl`: asks relays to crawl this server, now.

use super::relays_of;
use crate::cli::Outcome;
use crate::cli::print::print_fields;
use crate::config::Config;

pub(super) async fn run(relays: &[String]) -> Outcome {
    let config = Config::from_env()?;
    let relays = relays_of(&config, relays)?;
    let mut refused = 0;
    for relay in &relays {
        let answer = relay.request_crawl(&config.service.hostname).await;
        refused += usize::from(answer.is_err());
        let said = answer.map_or_else(|error| error.to_string(), |()| "it will crawl this server".to_owned());
        print_fields(&[relay.url(), &said])?;
    }
    if refused > 0 {
        return Err(format!("{refused} of {} relays do not say yes", relays.len()).into());
    }
    Ok(())
}
